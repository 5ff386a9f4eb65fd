/**
 * Runs every step, also after one that fails, so that nothing is left open because something before it would not close.
 * @throws what the first failing step threw, after all were tried
 */
export function closeAll(steps: readonly (() => void)[]): void {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
