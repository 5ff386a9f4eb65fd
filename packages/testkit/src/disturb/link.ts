import { type DisturbedParts, Disturber } from './disturber'
import type { LinkDisturbance } from './options'

/** A link that goes down for a while. */
class LinkLoss extends Disturber {
  readonly #lost: boolean
  readonly #forMilliseconds: number | undefined
  #next: { cancel(): void }
  #down = false

  constructor(options: LinkDisturbance & { link: 'down' }, parts: DisturbedParts) {
    super(options, parts)
    const { afterMilliseconds = 0, forMilliseconds, comesBack } = options
    this.#lost = comesBack === 'reset'
    this.#forMilliseconds = forMilliseconds
    this.#next = { cancel() {} }
    if (afterMilliseconds === 0) this.#goDown()
    else this.#next = parts.clock.schedule(afterMilliseconds, () => this.#goDown())
  }

  override stop(): void {
    super.stop()
    this.#next.cancel()
    this.#comeUp()
  }

  #goDown(): void {
    const { device, clock } = this.parts
    if (device.removed) return
    this.#down = true
    this.note('the link goes down')
    device.cutLink()
    if (this.#forMilliseconds !== undefined) {
      this.#next = clock.schedule(this.#forMilliseconds, () => this.#comeUp())
    }
  }

  #comeUp(): void {
    if (!this.#down) return
    this.#down = false
    const { device } = this.parts
    device.log(
      `disturbed: the link is up again, ${this.#lost ? 'and the device as after power-on' : 'as it was'}`,
    )
    device.restoreLink({ lost: this.#lost })
  }
}

/** A device that is pulled out. */
class Removal extends Disturber {
  readonly #next: { cancel(): void }

  constructor(options: LinkDisturbance & { link: 'removed' }, parts: DisturbedParts) {
    super(options, parts)
    this.#next = parts.clock.schedule(options.afterMilliseconds ?? 0, () => {
      if (parts.device.removed) return
      this.note('the device is pulled out')
      parts.remove()
    })
  }

  override stop(): void {
    super.stop()
    this.#next.cancel()
  }
}

/** Starts what goes wrong with the link. */
export function disturbLink(options: LinkDisturbance, parts: DisturbedParts): Disturber {
  return options.link === 'down' ? new LinkLoss(options, parts) : new Removal(options, parts)
}
