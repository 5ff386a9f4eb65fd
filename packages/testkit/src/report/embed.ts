/** For text between tags, and in attributes that stand in double quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/**
 * JSON that can stand in a script element: nothing in it ends the element or begins a comment, and it holds no line ends of Unicode's, which
 * JavaScript used to take for its own.
 */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
