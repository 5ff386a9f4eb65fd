// A producer thread that signals an eventfd as an interrupt would, and the C consumer that the watch is compared with.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "values.h"

// One measurement at a time; made by `startSignals`, read by the consumer, given back by `collectSignals`.
static struct {
  pthread_t producer;
  pthread_t consumer;
  int consumer_started;
  int fd;
  int64_t count;
  int64_t interval;
  int64_t* sent;      // when each signal was given, nanoseconds; null in a storm
  int64_t* latency;   // how long it took to arrive
  _Atomic int64_t arrived;
  _Atomic int producing;
} run;

static void arrive(int64_t signals) {
  const int64_t now = monotonic_nanoseconds();
  const int64_t first = atomic_load(&run.arrived);
  for (int64_t index = first; run.sent != NULL && index < first + signals && index < run.count; index++) {
    run.latency[index] = now - run.sent[index];
  }
  atomic_store(&run.arrived, first + signals);
}

static void wait_until(int64_t deadline, int spin) {
  if (spin) {
    while (monotonic_nanoseconds() < deadline) continue;
    return;
  }
  const struct timespec when = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR) continue;
}

static void* produce(void* unused) {
  const uint64_t one = 1;
  const int64_t start = monotonic_nanoseconds() + run.interval;
  for (int64_t index = 0; index < run.count; index++) {
    wait_until(start + index * run.interval, run.sent == NULL);
    if (run.sent != NULL) run.sent[index] = monotonic_nanoseconds();
    if (write(run.fd, &one, sizeof one) != sizeof one) break;
  }
  atomic_store(&run.producing, 0);
  return unused;
}

static void* consume(void* unused) {
  while (atomic_load(&run.arrived) < run.count) {
    struct pollfd poller = {.fd = run.fd, .events = POLLIN};
    uint64_t signals = 0;
    if (poll(&poller, 1, 1000) <= 0 && !atomic_load(&run.producing)) break;
    if (read(run.fd, &signals, sizeof signals) == sizeof signals) arrive((int64_t)signals);
  }
  return unused;
}

// startSignals(fd, count, intervalNanoseconds, timed, consumeInC)
static napi_value start_signals(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  run.fd = (int)number_at(&arguments, 0);
  run.count = (int64_t)number_at(&arguments, 1);
  run.interval = (int64_t)number_at(&arguments, 2);
  const int timed = number_at(&arguments, 3) != 0;
  run.consumer_started = number_at(&arguments, 4) != 0;
  run.sent = timed ? calloc((size_t)run.count, sizeof *run.sent) : NULL;
  run.latency = timed ? calloc((size_t)run.count, sizeof *run.latency) : NULL;
  atomic_store(&run.arrived, 0);
  atomic_store(&run.producing, 1);
  if (run.consumer_started && pthread_create(&run.consumer, NULL, consume, NULL) != 0) {
    return throw_errno(env, "pthread_create", EAGAIN);
  }
  if (pthread_create(&run.producer, NULL, produce, NULL) != 0) return throw_errno(env, "pthread_create", EAGAIN);
  return NULL;
}

// arrive(signals): called first thing in the handler
static napi_value arrive_here(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  arrive((int64_t)number_at(&arguments, 0));
  return NULL;
}

// signalState() -> signals that arrived; -1 - that number while the producer still runs
static napi_value signal_state(napi_env env, napi_callback_info info) {
  (void)info;
  const int64_t arrived = atomic_load(&run.arrived);
  return number_value(env, (double)(atomic_load(&run.producing) ? -1 - arrived : arrived));
}

// collectSignals(latencies): waits for the threads; fills a Float64Array with nanoseconds
static napi_value collect_signals(napi_env env, napi_callback_info info) {
  const Arguments arguments = arguments_of(env, info);
  pthread_join(run.producer, NULL);
  if (run.consumer_started) pthread_join(run.consumer, NULL);
  size_t length = 0;
  double* latencies = elements_at(&arguments, 0, &length);
  for (size_t index = 0; run.latency != NULL && index < length && (int64_t)index < run.count; index++) {
    latencies[index] = (double)run.latency[index];
  }
  free(run.sent);
  free(run.latency);
  run.sent = run.latency = NULL;
  return NULL;
}

const Function kInterruptFunctions[] = {
    {"startSignals", start_signals},
    {"arrive", arrive_here},
    {"signalState", signal_state},
    {"collectSignals", collect_signals},
    {NULL, NULL},
};
