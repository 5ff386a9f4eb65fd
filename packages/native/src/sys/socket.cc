#include "socket.h"

#include <cstring>

#include "descriptor.h"
#include "table.h"

namespace linux_dma::sys {

namespace {

// Control space for the largest message, aligned as cmsghdr has to be.
struct Control {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * kMaximumDescriptors)];
};

// The kernel pads no element of a descriptor list, so the payload's length tells their number.
size_t take_descriptors(msghdr* message, int* descriptors) {
  size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t size = header->cmsg_len - CMSG_LEN(0);
    std::memcpy(descriptors + count, CMSG_DATA(header), size);
    count += size / sizeof(int);
  }
  return count;
}

}  // namespace

Result create_socket_pair(int ends[2]) {
  return outcome(table.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, ends), "socketpair");
}

Result send_message(int fd, void* bytes, size_t length, const int* descriptors, size_t count) {
  Control control{};
  iovec vector{bytes, length};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (count != 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
  }
  // MSG_NOSIGNAL: a peer that has gone is EPIPE, not a signal.
  return retried("sendmsg", [&] { return table.sendmsg(fd, &message, MSG_NOSIGNAL); });
}

Result receive_message(int fd, void* bytes, size_t length, int* descriptors, size_t* count) {
  Control control{};
  iovec vector{bytes, length};
  msghdr message{};
  const Result result = retried("recvmsg", [&] {
    message = msghdr{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    return table.recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  });
  if (!result.ok()) return result;

  *count = take_descriptors(&message, descriptors);
  const int truncated = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
  if (truncated == 0) return result;
  for (size_t index = 0; index < *count; index++) close_descriptor(descriptors[index]);
  *count = 0;
  return failure((truncated & MSG_CTRUNC) != 0 ? EMFILE : EMSGSIZE, "recvmsg");
}

}  // namespace linux_dma::sys
