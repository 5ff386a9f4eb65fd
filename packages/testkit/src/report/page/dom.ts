/** What an element is made with: properties of it, and `aria-…`, `role` and `data-…` attributes. */
type Settings = Record<string, string | number | boolean | ((event: never) => void) | undefined>

/** Makes an element. Text is only ever set as text, whatever a trace has in it. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  settings: Settings = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined) continue
    if (typeof value === 'function') made.addEventListener(key, value as (event: Event) => void)
    else if (key in made) Object.assign(made, { [key]: value })
    else made.setAttribute(key, String(value))
  }
  made.append(...children)
  return made
}

/** A button with words on it. `press` is called when it is clicked, or by its keys. */
export function button(words: string, press: () => void, settings: Settings = {}): HTMLButtonElement {
  return element('button', { type: 'button', click: press, ...settings }, words)
}
