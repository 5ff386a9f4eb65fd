// A packet forwarder over two descriptor rings in memory, as a poll-mode driver in C has it: take received packets, put
// fresh buffers in their place, touch each packet, queue it for sending, take back what was sent. The device's part is
// played in the same loop: it marks descriptors as done.
#include <errno.h>

#include "values.h"

enum { kBatch = 32, kDone = 1, kTouched = 48 };

typedef struct {
  uint32_t low;
  uint32_t high;
  uint32_t length;
  uint32_t status;
} Descriptor;

typedef struct {
  Descriptor* rx;
  Descriptor* tx;
  uint32_t mask;
  // The buffer in each slot, and those in none.
  uint32_t* rx_buffers;
  uint32_t* tx_buffers;
  uint32_t* spare;
  uint32_t spares;
  uint8_t* packets;
  uint32_t packet_bytes;
  uint64_t dma_address;
} Forwarder;

static void give(Descriptor* descriptor, const Forwarder* forwarder, uint32_t buffer, uint32_t length) {
  const uint64_t address = forwarder->dma_address + (uint64_t)buffer * forwarder->packet_bytes;
  descriptor->low = (uint32_t)address;
  descriptor->high = (uint32_t)(address >> 32);
  descriptor->length = length;
  descriptor->status = 0;
}

static void forward_batch(Forwarder* forwarder, uint32_t head) {
  volatile Descriptor* device_rx = forwarder->rx;
  volatile Descriptor* device_tx = forwarder->tx;
  for (uint32_t i = 0; i < kBatch; i++) device_rx[(head + i) & forwarder->mask].status = kDone;
  for (uint32_t i = 0; i < kBatch; i++) {
    const uint32_t slot = (head + i) & forwarder->mask;
    if (device_tx[slot].status == kDone) forwarder->spare[forwarder->spares++] = forwarder->tx_buffers[slot];
    if (device_rx[slot].status != kDone) return;
    const uint32_t buffer = forwarder->rx_buffers[slot];
    const uint32_t fresh = forwarder->spare[--forwarder->spares];
    forwarder->rx_buffers[slot] = fresh;
    give(&forwarder->rx[slot], forwarder, fresh, 0);
    forwarder->packets[(size_t)buffer * forwarder->packet_bytes + kTouched]++;
    forwarder->tx_buffers[slot] = buffer;
    give(&forwarder->tx[slot], forwarder, buffer, 64);
  }
  for (uint32_t i = 0; i < kBatch; i++) device_tx[(head + i) & forwarder->mask].status = kDone;
}

// forwardPackets(rx, tx, packets, dmaAddress, count): rings of a power of 2 descriptors; as many packets again as slots
static napi_value forward_packets(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  size_t rx_words = 0;
  size_t tx_words = 0;
  size_t packet_bytes = 0;
  // Kept between calls: what was sent last is taken back by the next.
  static uint32_t buffers[4096];
  static Forwarder forwarder;
  static uint32_t head;
  forwarder.rx = elements_at(&arguments, 0, &rx_words);
  forwarder.tx = elements_at(&arguments, 1, &tx_words);
  forwarder.packets = elements_at(&arguments, 2, &packet_bytes);
  forwarder.dma_address = (uint64_t)number_at(&arguments, 3);
  const int64_t count = (int64_t)number_at(&arguments, 4);
  const uint32_t slots = (uint32_t)(rx_words / 4);
  if (rx_words != tx_words || slots == 0 || slots * 4 > sizeof buffers / sizeof *buffers) {
    return throw_errno(env, "forwardPackets", EINVAL);
  }
  if (forwarder.mask != slots - 1) {
    forwarder.mask = slots - 1;
    forwarder.packet_bytes = (uint32_t)(packet_bytes / (2 * slots));
    forwarder.rx_buffers = buffers;
    forwarder.tx_buffers = buffers + slots;
    forwarder.spare = buffers + 2 * slots;
    forwarder.spares = slots;
    for (uint32_t slot = 0; slot < slots; slot++) {
      forwarder.rx_buffers[slot] = slot;
      forwarder.spare[slot] = slots + slot;
      forwarder.tx[slot].status = 0;
    }
  }
  for (int64_t done = 0; done < count; done += kBatch) {
    forward_batch(&forwarder, head);
    head += kBatch;
  }
  return number_value(env, (double)forwarder.spares);
}

const Function kRingFunctions[] = {
    {"forwardPackets", forward_packets},
    {NULL, NULL},
};
