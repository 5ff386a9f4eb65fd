declare const kind: unique symbol

/**
 * How many segments a table has in memory: the kernel's `orig_nents`. Where such a count is wanted, one of
 * {@link Nents} does not compile.
 */
export type OrigNents = number & { readonly [kind]: 'orig_nents' }

/** How many segments a device sees once a table is mapped, after merging: the kernel's `nents`. */
export type Nents = number & { readonly [kind]: 'nents' }
