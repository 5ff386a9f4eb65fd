#include "socket.h"

#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "descriptor.h"
#include "table.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

namespace linux_dma::sys {

namespace {

// Who sent it, and what a security module says of it: a socket that was inherited may have been told to say so.
constexpr size_t kCredentials = 1024;

// Control space for the largest message, aligned as cmsghdr has to be.
struct Control {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * kMaximumDescriptors) + kCredentials];
};

// The kernel pads no element of a descriptor list, so the payload's length tells their number.
size_t take_descriptors(msghdr* message, int* descriptors) {
  size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    const size_t size = header->cmsg_len - CMSG_LEN(0);
    if (header->cmsg_type == SCM_RIGHTS) {
      std::memcpy(descriptors + count, CMSG_DATA(header), size);
      count += size / sizeof(int);
    } else if (header->cmsg_type == SCM_PIDFD && size == sizeof(int)) {
      // A descriptor of the sender, which nobody here has asked for.
      int sender = -1;
      std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
      if (sender >= 0) close_descriptor(sender);
    }
  }
  return count;
}

Result create_socket(int type) {
  return outcome(table.socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC), "socket");
}

struct Address {
  sockaddr_un name{};
  socklen_t length;

  // The length of an abstract name is part of it; that of a path counts its NUL.
  Address(const char* bytes, size_t count) {
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, bytes, count);
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + count);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

static_assert(sizeof(sockaddr_un::sun_path) == kMaximumAddress, "as long as socket.h says");

}  // namespace

Result create_socket_pair(int ends[2]) {
  return outcome(table.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, ends), "socketpair");
}

Result listen_at(const char* bytes, size_t length, int type, int backlog) {
  const Address address(bytes, length);
  const Result created = create_socket(type);
  if (!created.ok()) return created;

  Descriptor socket(static_cast<int>(created.value));
  const Result bound = retried("bind", [&] { return table.bind(socket.get(), address.get(), address.length); });
  if (!bound.ok()) return bound;
  const Result listening = retried("listen", [&] { return table.listen(socket.get(), backlog); });
  if (!listening.ok()) {
    if (bytes[0] != '\0') table.unlink(bytes);
    return listening;
  }
  return success(socket.release(), "listen");
}

Result connect_to(const char* bytes, size_t length, int type) {
  const Address address(bytes, length);
  const Result created = create_socket(type);
  if (!created.ok()) return created;

  Descriptor socket(static_cast<int>(created.value));
  // Between sockets of one machine it is done at once or not at all.
  const Result connected =
      retried("connect", [&] { return table.connect(socket.get(), address.get(), address.length); });
  return connected.ok() ? success(socket.release(), "connect") : connected;
}

Result accept_from(int fd) {
  return retried("accept4", [=] { return table.accept4(fd, SOCK_NONBLOCK | SOCK_CLOEXEC); });
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
