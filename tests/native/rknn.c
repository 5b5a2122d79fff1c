/*
 * A stand-in for librknnrt.so: the real interface, none of the NPU.
 *
 * It is told how to behave by `key=value` lines, from the model file behind its four magic bytes
 * and the file named by RKNN_STANDIN_FILE, later ones winning:
 *
 *   width height (56) fmt (1: NHWC, 0: NCHW)  tokens (4) embd (8) outputs (1) dims3 (0)
 *   init_rc run_rc get_rc  run_ms  crash=init|run  hang=run  line=TEXT  log=FILE
 *
 * Each number of output o, token t, place i is sum(bytes) % 9973 + 100000 o + 1000 t + i, so that
 * colours, padding and interleaving show. Wrong types, formats and sizes are refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_DIMS 16
typedef uint64_t rknn_context;
typedef struct { uint32_t n_input, n_output; } rknn_input_output_num;
typedef struct {
  uint32_t index, n_dims, dims[MAX_DIMS];
  char name[256];
  uint32_t n_elems, size;
  int fmt, type, qnt_type;
  int8_t fl;
  int32_t zp;
  float scale;
  uint32_t w_stride, size_with_stride;
  uint8_t pass_through;
  uint32_t h_stride;
} rknn_tensor_attr;
typedef struct { uint32_t index; void *buf; uint32_t size; uint8_t pass_through; int type, fmt; } rknn_input;
typedef struct { uint8_t want_float, is_prealloc; uint32_t index; void *buf; uint32_t size; } rknn_output;
typedef struct { char api_version[256], drv_version[256]; } rknn_sdk_version;
typedef struct {
  uint32_t total_weight_size, total_internal_size;
  uint64_t total_dma_allocated_size;
  uint32_t total_sram_size, free_sram_size, reserved[10];
} rknn_mem_size;

#include "rknn_asserts.h"

typedef struct { char settings[8192]; uint32_t sum; int set, out; } Model;

static void read_into(char *to, const char *path, int skip) {
  char text[4096];
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n < skip) return;
  text[n] = 0;
  strncat(to, "\n", 8191 - strlen(to));
  strncat(to, text + skip, 8191 - strlen(to));
}

static const char *setting(Model *m, const char *key, const char *fallback) {
  static char out[1024];
  const char *found = NULL;
  size_t length = strlen(key);
  for (const char *at = m->settings; at; at = strchr(at, '\n')) {
    at += strspn(at, "\n");
    if (!*at) break;
    if (!strncmp(at, key, length) && at[length] == '=') found = at + length + 1;
  }
  if (!found) return fallback;
  size_t n = strcspn(found, "\n");
  n = n < sizeof out - 1 ? n : sizeof out - 1;
  memcpy(out, found, n);
  out[n] = 0;
  return out;
}

static long number(Model *m, const char *key, long fallback) {
  const char *said = setting(m, key, NULL);
  return said ? atol(said) : fallback;
}

static void note(Model *m, const char *text, long value) {
  const char *path = setting(m, "log", NULL);
  if (!path) return;
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd >= 0) {
    dprintf(fd, "%s %ld\n", text, value);
    close(fd);
  }
}

static void maybe(Model *m, const char *key, const char *when) {
  const char *said = setting(m, key, NULL);
  if (!said || strcmp(said, when)) return;
  if (!strcmp(key, "crash")) abort();
  for (;;) pause();
}

EXPORT int rknn_init(rknn_context *context, void *model, uint32_t size, uint32_t flag, void *extend) {
  (void)flag, (void)extend;
  char magic[4] = "";
  int fd = size ? -1 : open(model, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -6;
  ssize_t n = read(fd, magic, 4);
  close(fd);
  if (n != 4 || memcmp(magic, "RKNN", 4)) {
    printf("E RKNN: [00:00:00.000] Invalid RKNN model version 6\n");
    fflush(stdout);
    return -6;
  }
  Model *m = calloc(1, sizeof *m);
  read_into(m->settings, model, 4);
  read_into(m->settings, getenv("RKNN_STANDIN_FILE"), 0);
  maybe(m, "crash", "init");
  if (setting(m, "line", NULL)) printf("%s\n", setting(m, "line", "")), fflush(stdout);
  int rc = number(m, "init_rc", 0);
  if (rc) {
    free(m);
    return rc;
  }
  note(m, "init", 0);
  *context = (rknn_context)(uintptr_t)m;
  return 0;
}

EXPORT int rknn_destroy(rknn_context context) {
  Model *m = (Model *)(uintptr_t)context;
  note(m, "destroy", m->out);
  free(m);
  return 0;
}

EXPORT int rknn_set_core_mask(rknn_context context, int mask) {
  note((Model *)(uintptr_t)context, "cores", mask);
  return 0;
}

EXPORT int rknn_query(rknn_context context, int what, void *info, uint32_t size) {
  Model *m = (Model *)(uintptr_t)context;
  if (what == 0) {
    if (size != sizeof(rknn_input_output_num)) return -5;
    *(rknn_input_output_num *)info = (rknn_input_output_num){1, number(m, "outputs", 1)};
  } else if (what == 1 || what == 2) {
    if (size != sizeof(rknn_tensor_attr)) return -5;
    rknn_tensor_attr *a = info;
    uint32_t w = number(m, "width", 56), h = number(m, "height", 56);
    int fmt = number(m, "fmt", 1);
    uint32_t nhwc[] = {1, h, w, 3}, nchw[] = {1, 3, h, w};
    uint32_t t = number(m, "tokens", 4), e = number(m, "embd", 8);
    uint32_t out2[] = {t, e}, out3[] = {1, t, e};
    int three = number(m, "dims3", 0);
    a->n_dims = what == 1 ? 4 : three ? 3 : 2;
    memcpy(a->dims, what == 1 ? (fmt ? nhwc : nchw) : three ? out3 : out2, a->n_dims * 4);
    a->fmt = what == 1 ? fmt : 2;
    a->n_elems = 1;
    for (uint32_t i = 0; i < a->n_dims; i++) a->n_elems *= a->dims[i];
  } else if (what == 5) {
    if (size != sizeof(rknn_sdk_version)) return -5;
    strcpy(((rknn_sdk_version *)info)->api_version, "2.3.2 (stand-in)");
  } else if (what == 6) {
    if (size != sizeof(rknn_mem_size)) return -5;
    memset(info, 0, size);
    ((rknn_mem_size *)info)->total_dma_allocated_size = number(m, "dma", 123456);
  } else {
    return -5;
  }
  return 0;
}

EXPORT int rknn_inputs_set(rknn_context context, uint32_t n, rknn_input *inputs) {
  Model *m = (Model *)(uintptr_t)context;
  uint32_t wanted = number(m, "width", 56) * number(m, "height", 56) * 3;
  if (n != 1 || inputs->index || inputs->type != 3 || inputs->fmt != 1) return -5;
  if (inputs->size != wanted || inputs->pass_through) return -8;
  m->sum = 0;
  for (uint32_t i = 0; i < wanted; i++) m->sum = m->sum * 31 + ((uint8_t *)inputs->buf)[i];
  m->set = 1;
  return 0;
}

EXPORT int rknn_run(rknn_context context, void *extend) {
  (void)extend;
  Model *m = (Model *)(uintptr_t)context;
  if (!m->set) return -8;
  note(m, "begin", 0);
  maybe(m, "crash", "run");
  maybe(m, "hang", "run");
  usleep(number(m, "run_ms", 0) * 1000);
  note(m, "run", m->sum % 9973);
  return number(m, "run_rc", 0);
}

EXPORT int rknn_outputs_get(rknn_context context, uint32_t n, rknn_output *outputs, void *extend) {
  (void)extend;
  Model *m = (Model *)(uintptr_t)context;
  long t = number(m, "tokens", 4), e = number(m, "embd", 8);
  if (n != (uint32_t)number(m, "outputs", 1)) return -9;
  if (number(m, "get_rc", 0)) return number(m, "get_rc", 0);
  for (uint32_t o = 0; o < n; o++) {
    if (!outputs[o].want_float || outputs[o].index != o) return -9;
    float *values = malloc(t * e * sizeof(float));
    for (long i = 0; i < t * e; i++)
      values[i] = (float)(m->sum % 9973 + 100000 * o + 1000 * (i / e) + i % e);
    outputs[o].buf = values;
    outputs[o].size = t * e * sizeof(float);
    m->out++;
  }
  return 0;
}

EXPORT int rknn_outputs_release(rknn_context context, uint32_t n, rknn_output *outputs) {
  Model *m = (Model *)(uintptr_t)context;
  for (uint32_t o = 0; o < n; o++) {
    if (outputs[o].buf) m->out--;
    free(outputs[o].buf);
    outputs[o].buf = NULL;
  }
  return 0;
}
