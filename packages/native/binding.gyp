{
  'variables': { 'faults%': 0 },
  'target_defaults': {
    'sources': [
      'src/sys/descriptor-set.cc',
      'src/sys/descriptor.cc',
      'src/sys/map-guard.cc',
      'src/sys/memory.cc',
      'src/sys/pin.cc',
      'src/sys/socket.cc',
      'src/napi/arguments.cc',
      'src/napi/environment.cc',
      'src/napi/files.cc',
      'src/napi/mapping.cc',
      'src/napi/messages.cc',
      'src/napi/module.cc',
      'src/napi/pin.cc',
      'src/napi/registers.cc',
      'src/napi/sockets.cc',
      'src/napi/type-tags.cc',
      'src/napi/values.cc',
      'src/napi/watch.cc',
    ],
    'defines': ['NAPI_VERSION=8'],
    'cflags': ['-O2', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-Wno-cast-function-type'],
    'cflags_cc': ['-std=gnu++17', '-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics'],
    # Only the C library: the same file then loads under glibc, old and new, and under musl.
    'ldflags': ['-nodefaultlibs', '-Wl,-z,relro,-z,now'],
    'libraries': ['-lc', '-lgcc'],
    'conditions': [
      # Without these names get a 64 at their end that musl does not know; a 64-bit machine has no need of it.
      ['target_arch!="arm" and target_arch!="ia32"', {
        'defines!': ['_LARGEFILE_SOURCE', '_FILE_OFFSET_BITS=64'],
      }],
    ],
  },
  'targets': [{ 'target_name': 'linux_dma' }],
  'conditions': [
    # The same sources with a counter before each system call, for the tests. Never packed.
    ['faults==1', {
      'targets': [{
        'target_name': 'linux_dma_faults',
        'product_dir': '<(PRODUCT_DIR)/../Faults',
        'defines': ['LINUX_DMA_FAULTS'],
        'sources': ['src/sys/faults.cc'],
      }],
    }],
  ],
}
