{
  'targets': [{
    'target_name': 'bench',
    # The C side of every row. The reference library (mapping-table.c) is a translation unit of its own, called through
    # its header as a C program calls a library; the same functions inlined are measured beside it.
    'sources': [
      'native/buffers.c',
      'native/crossing.c',
      'native/dma-buf.c',
      'native/interrupts.c',
      'native/mapping-loops.c',
      'native/mapping-table.c',
      'native/module.c',
      'native/registers.c',
      'native/ring.c',
      'native/scatterlist.c',
      'native/uio.c',
      'native/values.c',
      'native/vfio.c',
    ],
    'defines': ['NAPI_VERSION=8', '_GNU_SOURCE'],
    'cflags': ['-O2', '-std=gnu11', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'],
  }],
}
