import type { OpenFile } from '../kernel/open-file'
import type { MappingOwner } from '../memory/mapping'
import { FakeRegisterWindow, type WindowPlace } from './register-window'

/** What a register window needs of its machine. */
export type WindowOwner = Pick<MappingOwner, 'open' | 'addressSpace'>

/** A window on registers that is known to the machine until it is closed. Keeps `file` open as long. */
export function openWindow(
  place: WindowPlace,
  file: OpenFile,
  { open, addressSpace }: WindowOwner,
): FakeRegisterWindow {
  const window = new FakeRegisterWindow(place, file, addressSpace, (closed) => open.delete(closed))
  open.add(window)
  return window
}
