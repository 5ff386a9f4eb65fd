/*
 * A process of another language that shares dma-bufs over a UNIX stream socket:
 *
 *   dma-buf-peer WORD…
 *
 * The words are done in their order, on the buffer that was received or allocated last. Each says on a line of its own
 * what came of it:
 *
 *   connect PATH       to whoever listens there; the path begins with @ where it is an abstract name
 *   listen PATH        until somebody connects
 *   inherited          takes descriptor 3
 *   receive            takes one message: how many dma-bufs came, the size of the last, the bytes beside them as text
 *   read OFFSET COUNT  bytes of the buffer, in hexadecimal, between the two ioctls of a CPU access
 *   write OFFSET HEX   the same, written
 *   heap NAME SIZE     allocates a buffer of its own
 *   name TEXT          names the buffer
 *   send TEXT          sends the buffer, with these bytes beside it
 *   wait               until the other side has closed
 *   kill               ends this process by SIGKILL
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INHERITED 3
#define MOST_DESCRIPTORS 16
#define MOST_BYTES 4096
#define SECONDS_TO_LIVE 60

static int peer;
static int buffer = -1;
static uint8_t *bytes;
static size_t size;

static struct sockaddr_un address_of(const char *path, socklen_t *length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t count = strlen(path);

	if (count >= sizeof(address.sun_path))
		errx(2, "%s is too long", path);
	memcpy(address.sun_path, path, count);
	*length = offsetof(struct sockaddr_un, sun_path) + count + 1;
	if (path[0] == '@') {
		address.sun_path[0] = 0;
		*length -= 1;
	}
	return address;
}

static void connect_to_path(char **words)
{
	socklen_t length;
	struct sockaddr_un address = address_of(words[0], &length);

	peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer < 0 || connect(peer, (struct sockaddr *)&address, length))
		err(1, "connect %s", words[0]);
	printf("connect: %s\n", words[0]);
}

static void listen_at_path(char **words)
{
	socklen_t length;
	struct sockaddr_un address = address_of(words[0], &length);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1))
		err(1, "listen %s", words[0]);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		err(1, "accept");
	close(listener);
	printf("listen: %s\n", words[0]);
}

static void take_inherited(char **words)
{
	/* Whoever made it may have made it non-blocking, which belongs to what is open and not to a descriptor. */
	if (fcntl(INHERITED, F_SETFL, 0))
		err(1, "descriptor %d", INHERITED);
	peer = INHERITED;
	printf("inherited: %d\n", peer);
}

static void use_buffer(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0)
		err(1, "lseek");
	buffer = fd;
	size = end;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		err(1, "mmap");
}

static void receive_buffer(char **words)
{
	char text[MOST_BYTES];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec part = { text, sizeof(text) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t count = recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	size_t descriptors = 0;

	if (count < 0)
		err(1, "recvmsg");
	if (count == 0) {
		printf("receive: the other side has closed\n");
		return;
	}
	if (header && header->cmsg_type == SCM_RIGHTS)
		descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < descriptors; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
		use_buffer(fd);
	}
	printf("receive: %zu of %zu bytes, '%.*s'\n", descriptors, size, (int)count, text);
}

static void send_buffer(char **words)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { words[0], strlen(words[0]) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &buffer, sizeof(int));
	if (sendmsg(peer, &message, MSG_NOSIGNAL) != (ssize_t)part.iov_len)
		err(1, "sendmsg");
	printf("send: %zu bytes\n", size);
}

static void cpu_access(uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	if (ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync))
		err(1, "DMA_BUF_IOCTL_SYNC");
}

static size_t checked_offset(const char *word, size_t count)
{
	size_t offset = strtoul(word, NULL, 0);

	if (!bytes || offset > size || count > size - offset)
		errx(1, "%zu bytes at %zu are not in the buffer", count, offset);
	return offset;
}

static void read_bytes(char **words)
{
	size_t count = strtoul(words[1], NULL, 0);
	size_t offset = checked_offset(words[0], count);

	cpu_access(DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	printf("read: ");
	for (size_t i = 0; i < count; i++)
		printf("%02x", bytes[offset + i]);
	printf("\n");
	cpu_access(DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}

static void write_bytes(char **words)
{
	const char *hex = words[1];
	size_t count = strlen(hex) / 2;
	size_t offset = checked_offset(words[0], count);

	cpu_access(DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	for (size_t i = 0; i < count; i++) {
		unsigned int value;

		if (sscanf(hex + 2 * i, "%2x", &value) != 1)
			errx(2, "%s is not hexadecimal", hex);
		bytes[offset + i] = value;
	}
	cpu_access(DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	printf("write: %zu\n", count);
}

static void allocate(char **words)
{
	struct dma_heap_allocation_data data = { .len = strtoul(words[1], NULL, 0), .fd_flags = O_RDWR | O_CLOEXEC };
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", words[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data))
		err(1, "%s", path);
	close(fd);
	use_buffer(data.fd);
	printf("heap: %zu\n", size);
}

static void wait_for_end(char **words)
{
	char rest[MOST_BYTES];
	ssize_t count;

	while ((count = read(peer, rest, sizeof(rest))) > 0)
		;
	if (count < 0 && errno != ECONNRESET)
		err(1, "read");
	printf("wait: the other side has closed\n");
}

static void name_buffer(char **words)
{
	if (ioctl(buffer, DMA_BUF_SET_NAME, words[0]))
		err(1, "DMA_BUF_SET_NAME");
	printf("name: %s\n", words[0]);
}

static void end_by_signal(char **words)
{
	kill(getpid(), SIGKILL);
}

static const struct verb {
	const char *name;
	int words; /* that belong to it */
	void (*perform)(char **words);
} verbs[] = {
	{ "connect", 1, connect_to_path },
	{ "listen", 1, listen_at_path },
	{ "inherited", 0, take_inherited },
	{ "receive", 0, receive_buffer },
	{ "read", 2, read_bytes },
	{ "write", 2, write_bytes },
	{ "heap", 2, allocate },
	{ "name", 1, name_buffer },
	{ "send", 1, send_buffer },
	{ "wait", 0, wait_for_end },
	{ "kill", 0, end_by_signal },
};

static const struct verb *find_verb(const char *name, int left)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i].name, name) && verbs[i].words <= left)
			return &verbs[i];
	}
	errx(2, "%s: no word that this program knows, or not all that belongs to it", name);
}

int main(int count, char **words)
{
	/* Whoever waits for this process is not to wait for ever. */
	alarm(SECONDS_TO_LIVE);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (char **word = words + 1, **end = words + count; word < end;) {
		const struct verb *verb = find_verb(*word, end - word - 1);

		verb->perform(word + 1);
		word += 1 + verb->words;
	}
	return 0;
}
