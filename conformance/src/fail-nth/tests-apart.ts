/** Suites whose tests make their calls themselves, or tens of thousands of them from places that others call from too. */
export const suitesApart =
  /^kernel|^fuzzFound|^dmaBuf(?:Raw|Leaks|Memory)$|^uDmaBufRaw$|Selftest$|^vfioRandom$|[pP]rocesses$/

/** Tests that are left in a state of their own where a call fails, and why that is nothing that the packages do. */
export const testsApart: readonly (readonly [RegExp, string])[] = [
  [
    /waits for room|longer than a stream has room for|sent at once one after the other|goes both ways at once/,
    'it is both sides: one waits for the other',
  ],
  [
    /to read end before those to write|to read begin and end while others wait|accepts who connects/,
    'it waits for several at once',
  ],
  [
    /passes over an empty message|sends while it waits|lets one that waits its turn give up|tells the driver when to hold/,
    'it waits for several at once',
  ],
  [
    /shares one descriptor among those that open it/,
    'it keeps what it opened second where that came out otherwise',
  ],
  [
    /dma bounce life > closes with live mappings/,
    'the device, which it leaves open, keeps its bounce buffer',
  ],
  [/keeps memory until bus mastering is off/, 'the memory is kept on purpose'],
  [/same register through a BAR of memory/, 'it keeps the first BAR open where the second fails'],
]
