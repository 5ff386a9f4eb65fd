/*
 * What Linux answers about dma-bufs and the memfds under them, where only C can ask: a line for each question,
 * `name<TAB>answer`. An answer is OK and what the call returned, or the name of the errno.
 *
 *   dma-buf-raw                           every question there is
 *   dma-buf-raw punch PATH OFFSET SIZE    punches a hole into a file, such as /proc/PID/fd/N
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 4
#define MEMFD_PAGES 16
/* The first page of the memfd that is in the dma-buf. */
#define FIRST 4

static void answer(const char *name, long long result)
{
	if (result >= 0)
		printf("%s\tOK(%lld)\n", name, result);
	else
		printf("%s\t%s\n", name, strerrorname_np(errno));
}

/* Of what is made and not looked at any further: what it is makes no difference to the answer. */
static void answer_descriptor(const char *name, int fd)
{
	answer(name, fd < 0 ? fd : 0);
	if (fd >= 0)
		close(fd);
}

static void answer_mapping(const char *name, size_t size, int protection, int flags, int fd, off_t offset)
{
	void *mapping = mmap(NULL, size, protection, flags, fd, offset);

	answer(name, mapping == MAP_FAILED ? -1 : 0);
	if (mapping != MAP_FAILED)
		munmap(mapping, size);
}

static int create(int memfd, uint64_t offset, uint64_t size)
{
	struct udmabuf_create request = { .memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .offset = offset, .size = size };
	int node = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int fd;

	if (node < 0)
		err(1, "/dev/udmabuf");
	fd = ioctl(node, UDMABUF_CREATE, &request);
	close(node);
	return fd;
}

static int make_memfd(unsigned int flags, int seals)
{
	int fd = memfd_create("raw", MFD_CLOEXEC | flags);

	if (fd < 0 || ftruncate(fd, MEMFD_PAGES * PAGE))
		err(1, "memfd");
	if (seals && fcntl(fd, F_ADD_SEALS, seals))
		err(1, "F_ADD_SEALS");
	return fd;
}

static uint8_t *map_all(int fd, size_t size)
{
	uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (bytes == MAP_FAILED)
		err(1, "mmap");
	return bytes;
}

static int punch(int fd, off_t offset, off_t size)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

/* What can be no memfd to make a dma-buf of, though no verb of the packages would make such a file. */
static void ask_about_files(void)
{
	int plain = make_memfd(0, 0);
	int unsealed = make_memfd(MFD_ALLOW_SEALING, 0);
	int regular = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (regular < 0 || ftruncate(regular, MEMFD_PAGES * PAGE))
		err(1, "/tmp");
	answer_descriptor("stdin as memfd", create(0, 0, PAGE));
	answer_descriptor("tmpfs regular file", create(regular, 0, PAGE));
	answer_descriptor("no SHRINK seal", create(unsealed, 0, PAGE));
	answer_descriptor("memfd without MFD_ALLOW_SEALING", create(plain, 0, PAGE));
	close(plain);
	close(unsealed);
	close(regular);
}

static void ask_about_the_descriptor(int buffer)
{
	char path[64];

	answer("lseek END 0", lseek(buffer, 0, SEEK_END));
	answer("lseek SET 0", lseek(buffer, 0, SEEK_SET));
	answer("lseek SET 4096", lseek(buffer, 4096, SEEK_SET));
	answer("lseek CUR 0", lseek(buffer, 0, SEEK_CUR));
	answer("lseek END -1", lseek(buffer, -1, SEEK_END));
	answer("ftruncate()", ftruncate(buffer, PAGE));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", buffer);
	answer_descriptor("open /proc/self/fd", open(path, O_RDWR | O_CLOEXEC));
	answer_mapping("mmap MAP_PRIVATE", PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, buffer, 0);
	answer_mapping("mmap 5 pages", 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	answer_mapping("mmap off=4 pages", PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 4 * PAGE);
	answer_mapping("mmap PROT_EXEC", PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, buffer, 0);
}

/* Pages that are given to a pipe, which holds them without a copy where it may. */
static ssize_t splice_out(void *bytes)
{
	struct iovec part = { bytes, PAGE };
	int ends[2];
	ssize_t result;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		err(1, "pipe");
	result = vmsplice(ends[1], &part, 1, 0);
	close(ends[0]);
	close(ends[1]);
	return result;
}

static ssize_t write_to_pipe(const void *bytes)
{
	int ends[2];
	ssize_t result;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		err(1, "pipe");
	result = write(ends[1], bytes, 8);
	close(ends[0]);
	close(ends[1]);
	return result;
}

static ssize_t read_own_memory(void *bytes)
{
	char target[8];
	struct iovec to = { target, sizeof(target) }, from = { bytes, sizeof(target) };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0);
}

static void ask_about_the_mapping(uint8_t *bytes, uint8_t *memory)
{
	answer("vmsplice(memfd mapping)", splice_out(memory));
	answer("vmsplice(udmabuf mapping)", splice_out(bytes));
	answer("process_vm_readv(self, udmabuf mapping)", read_own_memory(bytes));
	answer("write(pipe, udmabuf mapping)", write_to_pipe(bytes));
	answer("mlock(udmabuf mapping)", mlock(bytes, PAGE));
	answer("madvise DONTFORK", madvise(bytes, PAGE, MADV_DONTFORK));
	answer("madvise DONTNEED", madvise(bytes, PAGE, MADV_DONTNEED));
	answer("madvise REMOVE", madvise(bytes, PAGE, MADV_REMOVE));
}

/* A child touches a page that was kept from it, and one that was not. */
static void ask_about_fork(uint8_t *bytes)
{
	for (int page = 0; page < 2; page++) {
		int status;
		pid_t child;

		bytes[page * PAGE + 5] = 0;
		fflush(stdout);
		child = fork();
		if (child == 0) {
			bytes[page * PAGE + 5] = 9;
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			err(1, "fork");
		printf("fork, page %d\tstatus %x, parent sees %d\n", page, status, bytes[page * PAGE + 5]);
	}
}

static void ask_about_seals(int memfd, uint8_t *bytes, uint8_t *memory)
{
	answer("ftruncate(memfd) shrink", ftruncate(memfd, PAGE));
	answer("ftruncate(memfd) grow", ftruncate(memfd, (MEMFD_PAGES + 1) * PAGE));
	answer("add F_SEAL_WRITE while udmabuf alive+mapped", fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE));
	bytes[1] = 2;
	answer("PUNCH_HOLE memfd under udmabuf", punch(memfd, FIRST * PAGE, PAGE));
	printf("after punch\tmemfd %d, udmabuf %d\n", memory[FIRST * PAGE + 1], bytes[1]);
	answer("madvise REMOVE of the memfd mapping", madvise(memory + (FIRST + 1) * PAGE, PAGE, MADV_REMOVE));
	answer("add F_SEAL_SHRINK again", fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	answer("add F_SEAL_FUTURE_WRITE", fcntl(memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	answer("add F_SEAL_FUTURE_WRITE again", fcntl(memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	answer("PUNCH_HOLE after F_SEAL_FUTURE_WRITE", punch(memfd, (FIRST + 2) * PAGE, PAGE));
	answer("madvise REMOVE after F_SEAL_FUTURE_WRITE", madvise(memory + (FIRST + 2) * PAGE, PAGE, MADV_REMOVE));
	memory[(FIRST + 2) * PAGE + 1] = 7;
	printf("write after F_SEAL_FUTURE_WRITE\tudmabuf %d\n", bytes[2 * PAGE + 1]);
	answer_descriptor("create after F_SEAL_FUTURE_WRITE", create(memfd, 0, PAGE));
	answer("add F_SEAL_SEAL", fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL));
	answer("add F_SEAL_SEAL again", fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL));
}

static void ask_about_udmabuf(void)
{
	int memfd = make_memfd(MFD_ALLOW_SEALING, F_SEAL_SHRINK);
	uint8_t *memory = map_all(memfd, MEMFD_PAGES * PAGE);
	int buffer = create(memfd, FIRST * PAGE, PAGES * PAGE);
	uint8_t *bytes;

	if (buffer < 0)
		err(1, "UDMABUF_CREATE");
	bytes = map_all(buffer, PAGES * PAGE);
	ask_about_the_descriptor(buffer);
	ask_about_the_mapping(bytes, memory);
	ask_about_fork(bytes);
	ask_about_seals(memfd, bytes, memory);
	close(buffer);
	bytes[3] = 7;
	printf("after close(fd)\tudmabuf %d\n", bytes[3]);
	close(memfd);
}

/* A mapping that nobody may write to, whose file takes no more writers either, does not count as a writer of it. */
static void ask_about_pins(void)
{
	int memfd = make_memfd(MFD_ALLOW_SEALING, F_SEAL_SHRINK);
	int buffer = create(memfd, 0, PAGE);

	answer("add F_SEAL_WRITE, only udmabuf pins", fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE));
	close(buffer);
	/* The pages are given back by work that the kernel does later. */
	for (int i = 0; i < 1000 && fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE); i++)
		usleep(1000);
	answer("add F_SEAL_WRITE, no udmabuf", (fcntl(memfd, F_GET_SEALS) & F_SEAL_WRITE) != 0);
	close(memfd);
}

static void ask_about_heaps(void)
{
	struct dma_heap_allocation_data data = { .len = PAGE, .fd_flags = O_RDWR | O_CLOEXEC };
	int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);

	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		err(1, "/dev/dma_heap/system");
	answer("heap: vmsplice(mapping)", splice_out(map_all(data.fd, PAGE)));
	answer_mapping("heap: mmap PRIVATE", PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, data.fd, 0);
	close(data.fd);
	close(heap);
}

int main(int count, char **words)
{
	if (count == 5 && !strcmp(words[1], "punch")) {
		int fd = open(words[2], O_RDWR | O_CLOEXEC);

		answer("punch", fd < 0 ? fd : punch(fd, strtoll(words[3], NULL, 0), strtoll(words[4], NULL, 0)));
		return 0;
	}
	if (count != 1)
		errx(2, "dma-buf-raw [punch PATH OFFSET SIZE]");
	ask_about_files();
	ask_about_udmabuf();
	ask_about_pins();
	ask_about_heaps();
	return 0;
}
