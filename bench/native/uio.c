// What a C driver does with a device of uio_pci_generic, on descriptors that the library opened.
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include "values.h"

enum { kCommand = 4, kIntxDisable = 0x400 };

// uioRounds(fd, configFd, raiseAddress, acknowledgeAddress, count): raises an interrupt, waits for it, acknowledges it,
// and lets the next one through, as the kernel's own example does.
static napi_value uio_rounds(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  const int fd = (int)number_at(&arguments, 0);
  const int config = (int)number_at(&arguments, 1);
  volatile uint32_t* raise = address_at(&arguments, 2);
  volatile uint32_t* acknowledge = address_at(&arguments, 3);
  const int64_t count = (int64_t)number_at(&arguments, 4);
  for (int64_t index = 0; index < count; index++) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    uint32_t total = 0;
    uint16_t command = 0;
    *raise = 1;
    if (poll(&poller, 1, 1000) != 1) return throw_errno(env, "poll", ETIMEDOUT);
    if (read(fd, &total, sizeof total) != sizeof total) return throw_errno(env, "read", errno);
    *acknowledge = 1;
    if (pread(config, &command, sizeof command, kCommand) != sizeof command) return throw_errno(env, "pread", errno);
    command &= (uint16_t)~kIntxDisable;
    if (pwrite(config, &command, sizeof command, kCommand) != sizeof command) return throw_errno(env, "pwrite", errno);
  }
  return NULL;
}

const Function kUioFunctions[] = {
    {"uioRounds", uio_rounds},
    {NULL, NULL},
};
