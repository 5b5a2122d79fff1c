/*
 * A stand-in for librkllmrt.so: the real interface, none of the NPU.
 *
 * It behaves as the real library is known to (log lines on stdout, the version line before the
 * model is opened, one run at a time, callbacks on a thread of its own, slow aborts) and is told
 * what to answer and how to fail by `key=value` settings, or `key@VERSION=value` for the library
 * of that version alone, or `key?WORDS=value` for prompts with these words in them. These come, later ones winning, from:
 * the weights file behind its four magic bytes, the file named by RKLLM_STANDIN_FILE, the
 * variable RKLLM_STANDIN, and a `[[key=value;...]]` in the prompt; one per line or `;`.
 *
 *   answer   echo (default) | count | params | a text with \n, \\ and \xNN
 *   tokens   length of `count`                piece    bytes of text a token stands for (4)
 *   token_id the id of every token (each its own)
 *   token_ids so many in turn, from 100
 *   utf8     whole (default: NORMAL is whole characters, else WAITING) | bytes (cut anywhere)
 *   thread   foreign (default) | caller       finish   1 (default) | 0: never says FINISH
 *   load_ms prefill_ms token_us abort_ms     durations; prefill_token_us of each token read
 *   log      file for one JSON line per call
 *   context_limit cores target platform toolkit driver device=none     what the file and board are
 *   npu_mb npu_total_mb ledger               memory of this model, of the NPU, shared file
 *   embd     width of the hidden layer (8)
 *   img_embd numbers of a picture's token (8): answer=echo says, for each <image>, the tags, how
 *            many tokens, a hash of the numbers and the size the encoder read
 *   vocab    logits given for each token (300)
 *   init_rc init_line init_crash init_hang init_quiet   (crash: segv | abrt | exit)
 *   run_rc run_line run_crash run_hang
 *   at_token at=crash|abrt|exit|error|hang    what happens at that token, counted from 0
 *   abort_hang abort_ignored destroy_crash
 *   abort_sticks=1   an abort without a run ends the next one
 *   late=1   a callback of this run comes while the next one is under way
 *
 * What a row of docs/board.md assumes otherwise (`python -m tests.board_page`):
 *   no_version_line mute=1 (no `I` lines) device_stderr any_magic
 *   limit_refused=N (contexts longer than the limit less N) refused_init_crash context_step
 *   leak_mb domain_fails unclean=FILE (memory a killed process keeps)
 *   utf8=drop (characters of several bytes never come) counter (how often it ran, behind the text)
 *   read_us (of each token computed) no_reuse counts_all embd_flat embd_turn
 * and when compiled with -DNO_MARKER or -DLACKS_LORA.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "standin_types.h"
#include "asserts.h"

enum { STANDIN_MULTIMODAL = 3 };
#define EXPORT __attribute__((visibility("default")))
#define SETTINGS 65536

#ifndef NO_MARKER
__attribute__((used)) static const char marker[] =
    "RKLLM SDK (version: " VERSION " | target: Linux | build: 00000000 2026-01-01 00:00:00)";
#endif

typedef struct {
  char path[4096];
  RKLLMParam param;
  LLMResultCallback callback;
  void *userdata;
  pthread_mutex_t lock;
  pthread_cond_t abort_asked;
  volatile int running;
  volatile double abort_at; /* seconds, 0: not asked */
  int own_template;
  char tools[8192];
  char loras[8][128];
  int n_loras;
  char *history; /* what is in the cache: bytes of the last input */
  size_t history_len;
  char prompt_cache[4096];
  char *prompt; /* of the run under way, or NULL */
} Handle;

/* -- settings ---------------------------------------------------------------------------- */

static void add_file(char *to, const char *path, int skip_magic) {
  char text[SETTINGS / 2];
  int fd = path && *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n < 0) return;
  text[n] = 0;
  char *from = text;
  if (skip_magic) {
    if (n < 4) return;
    from += 4;
  }
  strncat(to, "\n", SETTINGS - strlen(to) - 1);
  strncat(to, from, SETTINGS - strlen(to) - 1);
}

/* Add `key=value` for every `key?WORDS=value` whose words are in prompt. */
static void add_conditional(char *to, const char *prompt) {
  size_t length = strlen(to);
  for (char *at = to; at && at < to + length;) {
    at += strspn(at, "\n;");
    size_t line = strcspn(at, "\n;"), key = strcspn(at, "?=\n;");
    if (at[key] == '?' && key < line) {
      const char *words = at + key + 1, *equals = memchr(words, '=', line - key - 1);
      char text[1024];
      if (equals && equals - words < (long)sizeof text) {
        memcpy(text, words, equals - words);
        text[equals - words] = 0;
        size_t room = SETTINGS - strlen(to) - 2, wanted = key + line - (equals - at);
        if (strstr(prompt, text) && wanted < room) {
          char *end = to + strlen(to);
          *end++ = '\n';
          memcpy(end, at, key);
          memcpy(end + key, equals, line - (equals - at));
          end[wanted] = 0;
        }
      }
    }
    at += line;
  }
}

static void settings_of(char *to, const char *model, const char *prompt) {
  *to = 0;
  add_file(to, model, 1);
  add_file(to, getenv("RKLLM_STANDIN_FILE"), 0);
  const char *given[2] = {getenv("RKLLM_STANDIN"), NULL};
  const char *open_mark = prompt ? strstr(prompt, "[[") : NULL;
  const char *close_mark = open_mark ? strstr(open_mark, "]]") : NULL;
  char inner[4096] = "";
  if (close_mark && close_mark - open_mark < (long)sizeof inner) {
    memcpy(inner, open_mark + 2, close_mark - open_mark - 2);
    inner[close_mark - open_mark - 2] = 0;
    given[1] = inner;
  }
  for (int i = 0; i < 2; i++)
    if (given[i]) {
      strncat(to, "\n", SETTINGS - strlen(to) - 1);
      strncat(to, given[i], SETTINGS - strlen(to) - 1);
    }
  if (prompt) add_conditional(to, prompt);
}

/* The last value of key, or fallback; out holds the copy. */
static const char *setting(const char *settings, const char *key, const char *fallback,
                           char *out, size_t size) {
  size_t length = strlen(key);
  const char *found = NULL;
  for (const char *at = settings; at && *at;) {
    at += strspn(at, "\n;");
    if (!strncmp(at, key, length)) {
      const char *rest = at + length;
      if (!strncmp(rest, "@" VERSION, sizeof VERSION)) rest += sizeof VERSION;
      if (*rest == '=') found = rest + 1;
    }
    at = strpbrk(at, "\n;");
  }
  if (!found) {
    snprintf(out, size, "%s", fallback);
    return out;
  }
  size_t n = strcspn(found, "\n;");
  if (n >= size) n = size - 1;
  memcpy(out, found, n);
  out[n] = 0;
  return out;
}

static long number(const char *settings, const char *key, long fallback) {
  char text[64];
  setting(settings, key, "", text, sizeof text);
  return *text ? strtol(text, NULL, 0) : fallback;
}

static int is(const char *settings, const char *key, const char *value) {
  char text[4096];
  return !strcmp(setting(settings, key, "", text, sizeof text), value);
}

/* -- small things ------------------------------------------------------------------------ */

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_us(long us) {
  if (us <= 0) return;
  struct timespec t = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&t, NULL);
}

static void hang(void) {
  for (;;) pause();
}

static int mute;

static void say(const char *format, ...) {
  va_list args;
  if (mute && !strncmp(format, "I ", 2)) return;
  va_start(args, format);
  vfprintf(stdout, format, args);
  fputc('\n', stdout);
  va_end(args);
}

static void crash(const char *how) {
  if (!strcmp(how, "exit")) exit(3);
  if (!strcmp(how, "abrt")) {
    fprintf(stderr, "GGML_ASSERT: standin.c: view_src\n");
    abort();
  }
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

static void maybe_crash(const char *settings, const char *key) {
  char how[16];
  if (*setting(settings, key, "", how, sizeof how)) crash(how);
}

/* -- log of calls ------------------------------------------------------------------------ */

typedef struct {
  char text[SETTINGS];
  size_t length;
} Line;

static void put(Line *line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line->text + line->length, sizeof line->text - line->length, format, args);
  va_end(args);
  line->length += n;
  if (line->length >= sizeof line->text) line->length = sizeof line->text - 1;
}

static void put_text(Line *line, const char *key, const char *text) {
  if (!text) {
    put(line, ",\"%s\":null", key);
    return;
  }
  put(line, ",\"%s\":\"", key);
  for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
    if (*at == '"' || *at == '\\')
      put(line, "\\%c", *at);
    else if (*at < 0x20)
      put(line, "\\u%04x", *at);
    else
      put(line, "%c", *at);
  }
  put(line, "\"");
}

static void begin(Line *line, const char *call) {
  line->length = 0;
  put(line, "{\"call\":\"%s\",\"pid\":%d,\"version\":\"%s\"", call, getpid(), VERSION);
}

static void end(Line *line, const char *settings) {
  char path[4096];
  put(line, "}\n");
  if (!*setting(settings, "log", "", path, sizeof path)) return;
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, line->text, line->length) < 0) perror("standin log");
  close(fd);
}

static void put_param(Line *line, const RKLLMParam *p) {
  put_text(line, "model_path", p->model_path);
  put(line, ",\"max_context_len\":%d,\"max_new_tokens\":%d,\"top_k\":%d", p->max_context_len,
      p->max_new_tokens, p->top_k);
  put(line, ",\"top_p\":%.6g,\"temperature\":%.6g,\"repeat_penalty\":%.6g", p->top_p,
      p->temperature, p->repeat_penalty);
  put(line, ",\"frequency_penalty\":%.6g,\"presence_penalty\":%.6g", p->frequency_penalty,
      p->presence_penalty);
  put(line, ",\"mirostat\":%d,\"mirostat_tau\":%.6g,\"mirostat_eta\":%.6g", p->mirostat,
      p->mirostat_tau, p->mirostat_eta);
  put(line, ",\"skip_special_token\":%d,\"is_async\":%d", p->skip_special_token, p->is_async);
  put(line, ",\"base_domain_id\":%d", p->extend_param.base_domain_id);
  int dirty = 0;
  for (size_t i = 0; i < sizeof p->extend_param.reserved; i++)
    dirty |= p->extend_param.reserved[i];
  put(line, ",\"reserved\":%d", dirty);
#if FAMILY >= 2
  put(line, ",\"n_keep\":%d,\"embed_flash\":%d,\"cpus\":%d,\"cpu_mask\":%u", p->n_keep,
      p->extend_param.embed_flash, p->extend_param.enabled_cpus_num,
      p->extend_param.enabled_cpus_mask);
#endif
#if FAMILY >= 4
  put(line, ",\"n_batch\":%d,\"use_cross_attn\":%d", p->extend_param.n_batch,
      p->extend_param.use_cross_attn);
#endif
#if FAMILY >= 5
  put(line, ",\"ignore_eos_token\":%d", p->ignore_eos_token);
#endif
#if FAMILY <= 4
  put_text(line, "img_start", p->img_start);
  put_text(line, "img_content", p->img_content);
#endif
}

/* -- memory of the NPU, shared by processes ---------------------------------------------- */

/* Book mb for this process (or, with mb 0, give it back); false when there is not enough. */
static int book(const char *settings, long mb) {
  char path[4096], text[8192] = "", kept[8192] = "";
  if (!*setting(settings, "ledger", "", path, sizeof path)) return 1;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return 1;
  flock(fd, LOCK_EX);
  if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
  long used = 0;
  for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
    int pid;
    long held;
    if (sscanf(at, "%d %ld", &pid, &held) != 2 || pid == getpid() || kill(pid, 0)) continue;
    used += held;
    snprintf(kept + strlen(kept), sizeof kept - strlen(kept), "%d %ld\n", pid, held);
  }
  int fits = used + mb <= number(settings, "npu_total_mb", 1 << 30);
  if (fits && mb)
    snprintf(kept + strlen(kept), sizeof kept - strlen(kept), "%d %ld\n", getpid(), mb);
  if (ftruncate(fd, 0) || pwrite(fd, kept, strlen(kept), 0) < 0) perror("standin ledger");
  close(fd);
  return fits;
}

/* -- init and destroy -------------------------------------------------------------------- */

EXPORT RKLLMParam rkllm_createDefaultParam(void) {
  RKLLMParam p;
  memset(&p, 0xA5, sizeof p); /* reserved bytes stay as they were */
  p.model_path = NULL;
  p.max_context_len = 512;
  p.max_new_tokens = -1;
  p.top_k = 40;
  p.top_p = 0.9f;
  p.temperature = 0.8f;
  p.repeat_penalty = 1.1f;
  p.frequency_penalty = p.presence_penalty = 0;
  p.mirostat = 0;
  p.mirostat_tau = 5.0f;
  p.mirostat_eta = 0.1f;
  p.skip_special_token = true;
  p.is_async = false;
  p.extend_param.base_domain_id = 0;
#if FAMILY >= 2
  p.n_keep = -1;
  p.extend_param.embed_flash = 1;
  p.extend_param.enabled_cpus_num = 4;
  p.extend_param.enabled_cpus_mask = 0xF0;
#endif
#if FAMILY <= 4
  p.img_start = p.img_end = p.img_content = "";
#endif
  return p;
}

static int refused; /* an init of this process was, for its context */

/* Whether the device, the file and the parameters let the model load; says why not. */
static int check_load(const char *settings, const RKLLMParam *p) {
  char driver[32], platform[32], target[32], toolkit[32];
  setting(settings, "driver", "0.9.8", driver, sizeof driver);
  setting(settings, "platform", "RK3588", platform, sizeof platform);
  setting(settings, "target", "RK3588", target, sizeof target);
  setting(settings, "toolkit", VERSION, toolkit, sizeof toolkit);
  long limit = number(settings, "context_limit", 16384), cores = number(settings, "cores", 1);
  if (is(settings, "device", "none") && number(settings, "device_stderr", 0)) {
    fprintf(stderr, "failed to open rknpu module, need to insmod rknpu dirver!\n");
    return 0;
  }
  if (is(settings, "device", "none")) {
    say("failed to open rknpu module, need to insmod rknpu dirver!");
    say("failed to open rknn device!");
    say("Device is not available");
    say("Get device properties failed");
    return 0;
  }
  if (!number(settings, "no_version_line", 0))
    say("I rkllm: rkllm-runtime version: %s, rknpu driver version: %s, platform: %s", VERSION,
        driver, platform);
  if (strcmp(driver, "0.9.7") < 0)
    say("W rkllm: driver version is too low, please upgrade to 0.9.7");
  int fd = open(p->model_path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    say("E rkllm: failed to open '%s': 'No such file or directory'", p->model_path);
    return 0;
  }
  unsigned char magic[4] = {0};
  ssize_t n = read(fd, magic, 4);
  close(fd);
  say("I rkllm: loading rkllm model from %s", p->model_path);
  if (n < 4 || (memcmp(magic, "\xDA\xEE\xB3\x36", 4) && !number(settings, "any_magic", 0))) {
    say("E rkllm: invalid rkllm model!");
    return 0;
  }
  say("I rkllm: rkllm-toolkit version: %s, max_context_limit: %ld, npu_core_num: %ld, "
      "target_platform: %s", toolkit, limit, cores, target);
  if (strcmp(toolkit, VERSION) > 0) {
    say("E rkllm: rkllm-runtime version is lower than the rkllm-toolkit version");
    return 0;
  }
  if (strcmp(platform, target)) {
    say("E rkllm: Platform error: the model is for %s. Your platform is %s.", target, platform);
    return 0;
  }
  long step = number(settings, "context_step", 1);
  if (p->max_context_len % step) {
    say("E rkllm: max_context[%d] must be a multiple of %ld", p->max_context_len, step);
    return 0;
  }
  if (p->max_context_len > limit - number(settings, "limit_refused", 0)) {
    refused = 1;
    say("E rkllm: max_context[%d] must be less than the model's max_context_limit[%ld]",
        p->max_context_len, limit);
    return 0;
  }
#if FAMILY >= 2
  if (__builtin_popcount(p->extend_param.enabled_cpus_mask) != p->extend_param.enabled_cpus_num) {
    say("E rkllm: enabled_cpus_num does not match enabled_cpus_mask");
    return 0;
  }
  if (p->extend_param.enabled_cpus_num < cores) {
    say("E rkllm: The number of enabled CPUs must be greater than or equal to the number of NPU "
        "cores.");
    return 0;
  }
#endif
  char kept[4096];
  int held = *setting(settings, "unclean", "", kept, sizeof kept) && !access(kept, F_OK);
  if (held || (number(settings, "domain_fails", 0) && p->extend_param.base_domain_id)) {
    say("E RKNN: [00:00:00.000] failed to malloc npu memory, size: 4022272000, flags: 0x2");
    return 0;
  }
  if (*kept) close(open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  long mb = number(settings, "npu_mb", 0);
  if (mb && !book(settings, mb)) {
    say("E RKNN: [00:00:00.000] failed to malloc npu memory, size: %ld, flags: 0x2", mb << 20);
    say("E RKNN: [00:00:00.000] failed to allocate handle, ret: -1, errno: 14, errstr: Bad address");
    return 0;
  }
  return 1;
}

#if FAMILY >= 5
EXPORT int rkllm_init(LLMHandle *handle, RKLLMParam *p, RKLLMCallback *callback) {
  LLMResultCallback result_callback = callback->result_callback;
  void *userdata = callback->result_userdata;
#else
EXPORT int rkllm_init(LLMHandle *handle, RKLLMParam *p, LLMResultCallback result_callback) {
  void *userdata = NULL;
#endif
  static char settings[SETTINGS];
  static Line line;
  char text[4096];
  settings_of(settings, p->model_path, NULL);
  begin(&line, "rkllm_init");
  put_param(&line, p);
  end(&line, settings);
  mute = number(settings, "mute", 0);
  maybe_crash(settings, "init_crash");
  if (refused) maybe_crash(settings, "refused_init_crash");
  long leak = number(settings, "leak_mb", 0) << 20;
  if (leak) memset(malloc(leak), 1, leak);
  if (number(settings, "init_hang", 0)) hang();
  if (*setting(settings, "init_line", "", text, sizeof text)) say("%s", text);
  int rc = number(settings, "init_rc", 0);
  if (!check_load(settings, p) && !number(settings, "init_quiet", 0)) rc = rc ? rc : -1;
  sleep_us(number(settings, "load_ms", 0) * 1000);
  if (rc) return rc; /* *handle stays as it was */
  Handle *h = calloc(1, sizeof *h);
  snprintf(h->path, sizeof h->path, "%s", p->model_path);
  h->param = *p;
  h->param.model_path = h->path;
  h->callback = result_callback;
  h->userdata = userdata;
  pthread_mutex_init(&h->lock, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&h->abort_asked, &monotonic);
  *handle = h;
  return 0;
}

EXPORT int rkllm_destroy(LLMHandle handle) {
  static char settings[SETTINGS];
  static Line line;
  Handle *h = handle;
  if (!h) return -1;
  settings_of(settings, h->path, NULL);
  begin(&line, "rkllm_destroy");
  end(&line, settings);
  maybe_crash(settings, "destroy_crash");
  char kept[4096];
  if (*setting(settings, "unclean", "", kept, sizeof kept)) unlink(kept);
  book(settings, 0);
  free(h->history);
  memset(h, 0xDD, sizeof *h);
  free(h);
  return 0;
}

/* -- run --------------------------------------------------------------------------------- */

typedef struct {
  Handle *h;
  const RKLLMInput *input;
  const RKLLMInferParam *infer;
  void *userdata;
  const char *settings;
  const char *bytes; /* the input as bytes: text, or token ids */
  size_t n_bytes;
  int n_tokens;
  char *answer;
  size_t n_answer;
  int rc;
} Job;

static int call(Job *job, RKLLMResult *result, int state) {
#if FAMILY >= 4
  return job->h->callback(result, job->userdata, state);
#else
  job->h->callback(result, job->userdata, state);
  return 0;
#endif
}

static int aborted(Job *job) {
  double at = job->h->abort_at;
  return at && now_s() >= at && !number(job->settings, "abort_ignored", 0);
}

/* Sleep, but notice an abort; false when aborted. */
static int wait_us(Job *job, long us) {
  if (us <= 0) return !aborted(job);
  double until = now_s() + us / 1e6;
  pthread_mutex_lock(&job->h->lock);
  while (!aborted(job) && now_s() < until) {
    double at = job->h->abort_at, next = at > now_s() && at < until ? at : until;
    struct timespec t = {(time_t)next, (long)((next - (time_t)next) * 1e9)};
    pthread_cond_timedwait(&job->h->abort_asked, &job->h->lock, &t);
  }
  pthread_mutex_unlock(&job->h->lock);
  return !aborted(job);
}

static void unescape(char *to, const char *from) {
  while (*from) {
    if (from[0] == '\\' && from[1] == 'n') {
      *to++ = '\n';
      from += 2;
    } else if (from[0] == '\\' && from[1] == 'x') {
      char hex[3] = {from[2], from[3], 0};
      *to++ = (char)strtol(hex, NULL, 16);
      from += 4;
    } else if (from[0] == '\\' && from[1]) {
      *to++ = from[1];
      from += 2;
    } else {
      *to++ = *from++;
    }
  }
  *to = 0;
}

static void answer_params(Line *line, Job *job) {
  line->length = 0;
  put(line, "{\"input_type\":%d", job->input->input_type);
#if FAMILY >= 4
  put_text(line, "role", job->input->role);
  put(line, ",\"enable_thinking\":%d", job->input->enable_thinking);
#endif
#if FAMILY >= 5
  const RKLLMSamplingParam *s = job->infer->sampling_params;
  if (s) {
    put(line, ",\"top_k\":%d,\"top_p\":%.6g,\"temperature\":%.6g,\"repeat_penalty\":%.6g", s->top_k,
        s->top_p, s->temperature, s->repeat_penalty);
    put(line, ",\"frequency_penalty\":%.6g,\"presence_penalty\":%.6g", s->frequency_penalty,
        s->presence_penalty);
    put(line, ",\"mirostat\":%d,\"mirostat_tau\":%.6g,\"mirostat_eta\":%.6g", s->mirostat,
        s->mirostat_tau, s->mirostat_eta);
    put(line, ",\"max_new_tokens\":%d", job->infer->max_new_tokens);
  } else
#endif
    put_param(line, &job->h->param);
  put(line, ",\"own_template\":%d", job->h->own_template);
  put_text(line, "tools", job->h->tools);
  put_text(line, "lora",
           job->infer->lora_params ? job->infer->lora_params->lora_adapter_name : NULL);
  put(line, "}");
}

/* -- pictures ------------------------------------------------------------------------------ */

typedef struct {
  const char *prompt;
  const float *embed;
  size_t tokens, count, width, height;
  const char *start, *end, *content;
} Pictures;

static Pictures pictures_of(Job *job) {
  const RKLLMMultiModalInput *m = &job->input->multimodal_input;
  Pictures p = {.prompt = m->prompt, .count = 1};
#if FAMILY >= 5
  p.embed = m->image.image_embed, p.tokens = m->image.n_image_tokens, p.count = m->image.n_image;
  p.width = m->image.image_width, p.height = m->image.image_height;
  p.start = m->image.image_start, p.end = m->image.image_end, p.content = m->image.image_content;
#else
  p.embed = m->image_embed, p.tokens = m->n_image_tokens;
  p.start = job->h->param.img_start, p.end = job->h->param.img_end;
  p.content = job->h->param.img_content;
#if FAMILY >= 3
  p.count = m->n_image, p.width = m->image_width, p.height = m->image_height;
#endif
#endif
  return p;
}

/* As the real one: as many tags as pictures, sizes given, tags known; `img_embd` floats a token. */
static const char *trouble_with_pictures(Job *job) {
  Pictures p = pictures_of(job);
  size_t tags = 0;
  if (!p.prompt) return "no prompt";
  for (const char *at = p.prompt; (at = strstr(at, "<image>")); at += 7) tags++;
  if (!tags) return "prompt has no <image> tag";
  if (tags != p.count) return "number of <image> tags is not n_image";
  if (!p.embed || !p.tokens) return "no image embed";
  if (!p.content || !*p.content) return "img_content is not set";
#if FAMILY >= 3
  if (!p.width || !p.height) return "image_width and image_height are not set";
#endif
#if FAMILY >= 4
  if (job->infer->keep_history) return "keep_history repeats the first picture";
#endif
  return NULL;
}

/* The tags put around, and what the numbers of each picture add up to. */
static void answer_pictures(Job *job) {
  Pictures p = pictures_of(job);
  long width = number(job->settings, "img_embd", 8);
  size_t each = p.tokens * width, at = 0, picture = 0;
  job->answer = malloc(strlen(p.prompt) + p.count * 256 + 1);
  for (const char *from = p.prompt; *from;) {
    if (strncmp(from, "<image>", 7)) {
      job->answer[at++] = *from++;
      continue;
    }
    uint64_t hash = 1469598103934665603u;
    const unsigned char *bytes = (const unsigned char *)(p.embed + picture * each);
    for (size_t i = 0; i < each * sizeof(float); i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    at += sprintf(job->answer + at, "%s[%zu*%s:%08x:%zux%zu]%s", p.start ? p.start : "", p.tokens,
                  p.content, (unsigned)hash, p.width, p.height, p.end ? p.end : "");
    picture++, from += 7;
  }
  job->answer[at] = 0;
  job->n_answer = at;
}

static void make_answer(Job *job) {
  static Line line;
  char kind[4096];
  setting(job->settings, "answer", "echo", kind, sizeof kind);
  if (!strcmp(kind, "echo")) {
    if (job->input->input_type == STANDIN_MULTIMODAL) {
      answer_pictures(job);
    } else if (job->input->input_type == INPUT_TOKEN) {
      job->answer = malloc(job->n_tokens * 12 + 1);
      job->n_answer = 0;
      for (int i = 0; i < job->n_tokens; i++)
        job->n_answer += sprintf(job->answer + job->n_answer, i ? " %d" : "%d",
                                 job->input->token_input.input_ids[i]);
    } else {
      job->answer = strndup(job->bytes, job->n_bytes);
      job->n_answer = job->n_bytes;
    }
    return;
  }
  if (!strcmp(kind, "count")) {
    long tokens = number(job->settings, "tokens", 16);
    job->answer = malloc(tokens * 4 + 1);
    for (long i = 0; i < tokens; i++) memcpy(job->answer + i * 4, " tok", 4);
    job->n_answer = tokens * 4;
    return;
  }
  if (!strcmp(kind, "params")) {
    answer_params(&line, job);
    job->answer = strndup(line.text, line.length);
  } else {
    job->answer = malloc(strlen(kind) + 32);
    unescape(job->answer, kind);
    static int runs;
    if (number(job->settings, "counter", 0)) sprintf(strchr(job->answer, 0), " %d", ++runs);
  }
  job->n_answer = strlen(job->answer);
}

/* How many bytes at the end of text begin a character that is not whole yet. */
static size_t unfinished(const unsigned char *text, size_t n) {
  for (size_t back = 1; back <= 3 && back <= n; back++) {
    unsigned char c = text[n - back];
    if ((c & 0xC0) == 0x80) continue;
    size_t wants = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    return wants > back ? back : 0;
  }
  return 0;
}

static void something_at_token(Job *job) {
  char what[16];
  setting(job->settings, "at", "", what, sizeof what);
  if (!strcmp(what, "hang")) hang();
  crash(!strcmp(what, "crash") ? "segv" : what);
}

/* Call back once per token; the number of tokens, or -1 after an error. */
static int generate(Job *job, int limit) {
  long piece = number(job->settings, "piece", 4), token_us = number(job->settings, "token_us", 0);
  long at_token = number(job->settings, "at_token", -1);
  long ids = number(job->settings, "token_ids", 1L << 30);
  int whole = !is(job->settings, "utf8", "bytes"), error = is(job->settings, "at", "error");
  char *buffer = malloc(job->n_answer + 16);
  size_t at = 0, held = 0;
  int n = 0;
  RKLLMResult result;
  for (; at < job->n_answer && (limit <= 0 || n < limit); n++) {
    if (!wait_us(job, token_us)) break;
    memset(&result, 0, sizeof result);
    if (n == at_token && error) {
      call(job, &result, RUN_ERROR);
      free(buffer);
      return -1;
    }
    if (n == at_token) something_at_token(job);
    size_t take = at + piece > job->n_answer ? job->n_answer - at : (size_t)piece;
    memcpy(buffer + held, job->answer + at, take);
    at += take;
    held += take;
    if (is(job->settings, "utf8", "drop")) {
      size_t plain = 0;
      for (size_t i = 0; i < held; i++)
        if (!(buffer[i] & 0x80)) buffer[plain++] = buffer[i];
      held = plain;
    }
    size_t tail = whole ? unfinished((unsigned char *)buffer, held) : 0;
    size_t ready = held - tail;
    char rest[4];
    memcpy(rest, buffer + ready, tail);
    buffer[ready] = 0;
    result.token_id = (int32_t)number(job->settings, "token_id", 100 + n % ids);
    /* The text of WAITING is not to be shown: something that would be noticed. */
    result.text = ready ? buffer : "<waiting>";
    if (call(job, &result, ready ? RUN_NORMAL : RUN_WAITING) == 1) {
      n++;
      break;
    }
    memcpy(buffer, rest, tail);
    held = tail;
  }
  free(buffer);
  return n;
}

static int prefix_tokens(Job *job) {
  Handle *h = job->h;
  size_t same = 0, limit = h->history_len < job->n_bytes ? h->history_len : job->n_bytes;
  while (same < limit && h->history[same] == job->bytes[same]) same++;
  int cached = (int)(same / 4);
  /* The last token is always computed anew. */
  return cached >= job->n_tokens ? job->n_tokens - 1 : cached;
}

static void hidden_layer(Job *job) {
  int width = number(job->settings, "embd", 8), n = job->n_tokens;
  float *states = malloc(sizeof(float) * width * n);
  for (int t = 0; t < n; t++)
    for (int i = 0; i < width; i++) {
      int32_t word;
      memcpy(&word, job->bytes + (t * 4 + 4 <= (int)job->n_bytes ? t * 4 : 0),
             job->n_bytes >= 4 ? 4 : job->n_bytes);
      if (number(job->settings, "embd_flat", 0)) {
        int turn = number(job->settings, "embd_turn", 0) && i % 2;
        states[t * width + i] = turn ? -1.0f : 1.0f;
      } else
      states[t * width + i] = (float)(((uint32_t)word * 31u + i * 7u + t) % 97u) - 48.0f;
    }
  RKLLMResult result;
  memset(&result, 0, sizeof result);
  result.last_hidden_layer.hidden_states = states;
  result.last_hidden_layer.embd_size = width;
  result.last_hidden_layer.num_tokens = n;
  call(job, &result, FAMILY == 1 ? RUN_HIDDEN_1_1 : RUN_NORMAL);
  memset(states, 0, sizeof(float) * width * n); /* valid during the callback only */
  free(states);
}

#if FAMILY >= 2
static void logits(Job *job) {
  int size = number(job->settings, "vocab", 300), n = job->n_tokens;
  float *all = malloc(sizeof(float) * size * n);
  uint32_t sum = 0;
  for (int t = 0; t < n; t++) {
    sum += job->input->input_type != INPUT_TOKEN ? 1 : job->input->token_input.input_ids[t];
    for (int i = 0; i < size; i++)
      all[t * size + i] = (float)((sum * 31u + i * 7u) % 97u) / 10.0f - 4.8f;
  }
  RKLLMResult result;
  memset(&result, 0, sizeof result);
  result.logits.logits = all;
  result.logits.vocab_size = size;
  result.logits.num_tokens = n;
  call(job, &result, RUN_NORMAL);
  memset(all, 0, sizeof(float) * size * n); /* valid during the callback only */
  free(all);
}
#endif

static void *work(void *argument) {
  Job *job = argument;
  Handle *h = job->h;
  int cached = prefix_tokens(job), n = 0;
  double t0 = now_s();
  int read = number(job->settings, "no_reuse", 0) ? job->n_tokens : job->n_tokens - cached;
  sleep_us(number(job->settings, "read_us", 0) * read);
  /* an abort waits for the prefill */
  sleep_us(number(job->settings, "prefill_ms", 0) * 1000 +
           (long)(job->n_tokens - cached) * number(job->settings, "prefill_token_us", 0));
  double t1 = now_s();
  if (!aborted(job)) {
    if (job->infer->mode == INFER_HIDDEN) {
      hidden_layer(job);
#if FAMILY >= 2
    } else if (job->infer->mode == INFER_LOGITS) {
      logits(job);
#endif
    } else {
      int limit = h->param.max_new_tokens, room = h->param.max_context_len - job->n_tokens;
#if FAMILY >= 5
      if (job->infer->max_new_tokens > 0) limit = job->infer->max_new_tokens;
#endif
      if (limit <= 0 || room < limit) limit = room > 0 ? room : 1;
      make_answer(job);
      n = generate(job, limit);
      free(job->answer);
    }
  }
  if (n < 0) {
    job->rc = -1;
    return NULL;
  }
  free(h->history);
  h->history = malloc(job->n_bytes + 1);
  memcpy(h->history, job->bytes, job->n_bytes);
  h->history_len = job->n_bytes;
  RKLLMResult result;
  memset(&result, 0, sizeof result);
#if FAMILY >= 4
  result.perf.prefill_time_ms = (t1 - t0) * 1e3;
  result.perf.prefill_tokens =
      number(job->settings, "counts_all", 0) ? job->n_tokens : job->n_tokens - cached;
  result.perf.generate_time_ms = (now_s() - t1) * 1e3;
  result.perf.generate_tokens = n;
  result.perf.memory_usage_mb = 100;
#else
  (void)cached;
  (void)t0;
  (void)t1;
#endif
  if (number(job->settings, "finish", 1)) call(job, &result, RUN_FINISH);
  return NULL;
}

static void log_run(Job *job) {
  static Line line;
  begin(&line, "rkllm_run");
  put(&line, ",\"mode\":%d,\"input_type\":%d,\"n_tokens\":%d", job->infer->mode,
      job->input->input_type, job->n_tokens);
#if FAMILY >= 2
  put(&line, ",\"keep_history\":%d", job->infer->keep_history);
#endif
#if FAMILY >= 4
  put_text(&line, "role", job->input->role);
  put(&line, ",\"enable_thinking\":%d", job->input->enable_thinking);
#endif
  if (job->input->input_type == INPUT_PROMPT)
    put_text(&line, "prompt", job->input->prompt_input);
  else if (job->input->input_type == STANDIN_MULTIMODAL)
    put_text(&line, "prompt", job->input->multimodal_input.prompt);
  else {
    put(&line, ",\"tokens\":[");
    for (int i = 0; i < job->n_tokens && i < 4096; i++)
      put(&line, i ? ",%d" : "%d", job->input->token_input.input_ids[i]);
    put(&line, "]");
  }
  const RKLLMPromptCacheParam *cache = job->infer->prompt_cache_params;
  put_text(&line, "lora", job->infer->lora_params ? job->infer->lora_params->lora_adapter_name : NULL);
  put_text(&line, "save_prompt_cache",
           cache && cache->save_prompt_cache ? cache->prompt_cache_path : NULL);
  put(&line, ",\"own_template\":%d", job->h->own_template);
  end(&line, job->settings);
}

static void *call_late(void *argument) {
  Job *job = argument;
  RKLLMResult result;
  while (!job->h->running) sleep_us(100);
  memset(&result, 0, sizeof result);
  result.text = "<late>";
  call(job, &result, RUN_NORMAL);
  free(job);
  return NULL;
}

EXPORT int rkllm_run(LLMHandle handle, RKLLMInput *input, RKLLMInferParam *infer, void *userdata) {
  Handle *h = handle;
  char text[4096];
  if (!h || !input || !infer) return -1;
  pthread_mutex_lock(&h->lock);
  if (h->running) {
    pthread_mutex_unlock(&h->lock);
    say("E rkllm: a task is running on this handle");
    return -1;
  }
  h->running = 1;
  pthread_mutex_unlock(&h->lock);
  char *settings = malloc(SETTINGS);
  Job job = {.h = h, .input = input, .infer = infer, .settings = settings};
  job.userdata = userdata ? userdata : h->userdata;
  if (input->input_type == INPUT_TOKEN) {
    job.bytes = (const char *)input->token_input.input_ids;
    job.n_bytes = input->token_input.n_tokens * 4;
    settings_of(settings, h->path, NULL);
  } else {
    int pictured = input->input_type == STANDIN_MULTIMODAL;
    job.bytes = pictured ? input->multimodal_input.prompt : input->prompt_input;
    job.n_bytes = strlen(job.bytes);
    settings_of(settings, h->path, job.bytes);
  }
  job.n_tokens = (int)((job.n_bytes + 3) / 4);
  pthread_mutex_lock(&h->lock);
  free(h->prompt);
  h->prompt = input->input_type == INPUT_TOKEN ? NULL : strdup(job.bytes);
  pthread_mutex_unlock(&h->lock);
  if (!number(settings, "abort_sticks", 0)) h->abort_at = 0;
  log_run(&job);
  maybe_crash(settings, "run_crash");
  if (number(settings, "run_hang", 0)) hang();
  if (*setting(settings, "run_line", "", text, sizeof text)) say("%s", text);
  job.rc = number(settings, "run_rc", 0);
  const char *trouble = NULL;
  if (input->input_type == STANDIN_MULTIMODAL && (trouble = trouble_with_pictures(&job))) {
    say("E rkllm: %s", trouble);
    job.rc = -1;
  }
  if (!job.rc && job.n_tokens > h->param.max_context_len) {
    say("E rkllm: the length of prompt is greater than max context (prompt: %d tokens, max "
        "context: %d)", job.n_tokens, h->param.max_context_len);
    job.rc = -1;
  }
  const RKLLMPromptCacheParam *cache = infer->prompt_cache_params;
  if (!job.rc) {
    pthread_t thread;
    if (is(settings, "thread", "caller") || pthread_create(&thread, NULL, work, &job))
      work(&job);
    else
      pthread_join(thread, NULL);
    if (cache && cache->save_prompt_cache) {
      int fd = open(cache->prompt_cache_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      if (fd >= 0 && write(fd, job.bytes, job.n_bytes) >= 0) close(fd);
    }
  }
  int late = number(settings, "late", 0);
  free(settings);
  pthread_mutex_lock(&h->lock);
  h->running = 0;
  h->abort_at = 0;
  pthread_mutex_unlock(&h->lock);
  if (late) {
    pthread_t thread;
    Job *again = malloc(sizeof job);
    *again = job;
    if (!pthread_create(&thread, NULL, call_late, again)) pthread_detach(thread);
  }
  return job.rc;
}

EXPORT int rkllm_run_async(LLMHandle handle, RKLLMInput *input, RKLLMInferParam *infer,
                           void *userdata) {
  return rkllm_run(handle, input, infer, userdata);
}

EXPORT int rkllm_abort(LLMHandle handle) {
  static char settings[SETTINGS];
  static Line line;
  static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
  Handle *h = handle;
  if (!h) return -1;
  pthread_mutex_lock(&one);
  pthread_mutex_lock(&h->lock);
  settings_of(settings, h->path, h->prompt);
  pthread_mutex_unlock(&h->lock);
  begin(&line, "rkllm_abort");
  end(&line, settings);
  int hangs = number(settings, "abort_hang", 0), sticks = number(settings, "abort_sticks", 0);
  double at = now_s() + number(settings, "abort_ms", 0) / 1e3;
  pthread_mutex_unlock(&one);
  if (hangs) hang();
  pthread_mutex_lock(&h->lock);
  if ((h->running || sticks) && !h->abort_at) h->abort_at = at;
  pthread_cond_broadcast(&h->abort_asked);
  pthread_mutex_unlock(&h->lock);
  return 0;
}

EXPORT int rkllm_is_running(LLMHandle handle) {
  Handle *h = handle;
  if (!h) return -1;
  return FAMILY >= 5 ? h->running : !h->running; /* the headers contradict each other */
}

/* -- the rest ---------------------------------------------------------------------------- */

static void log_texts(Handle *h, const char *name, const char *a, const char *b, const char *c) {
  static char settings[SETTINGS];
  static Line line;
  settings_of(settings, h->path, NULL);
  begin(&line, name);
  put_text(&line, "a", a);
  put_text(&line, "b", b);
  put_text(&line, "c", c);
  end(&line, settings);
}

#ifndef LACKS_LORA
EXPORT int rkllm_load_lora(LLMHandle handle, RKLLMLoraAdapter *adapter) {
  Handle *h = handle;
  if (!h || access(adapter->lora_adapter_path, R_OK)) {
    say("E rkllm: failed to open '%s': 'No such file or directory'", adapter->lora_adapter_path);
    return -1;
  }
  char scale[32];
  snprintf(scale, sizeof scale, "%.6g", adapter->scale);
  log_texts(h, "rkllm_load_lora", adapter->lora_adapter_path, adapter->lora_adapter_name, scale);
  if (h->n_loras == 8) return -1;
  snprintf(h->loras[h->n_loras++], 128, "%s", adapter->lora_adapter_name);
  return 0;
}
#endif

EXPORT int rkllm_load_prompt_cache(LLMHandle handle, const char *path) {
  Handle *h = handle;
  if (!h || access(path, R_OK)) return -1;
  log_texts(h, "rkllm_load_prompt_cache", path, NULL, NULL);
  free(h->history);
  h->history = calloc(1, 1 << 16);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, h->history, 1 << 16);
  close(fd);
  h->history_len = n > 0 ? n : 0;
  return 0;
}

EXPORT int rkllm_release_prompt_cache(LLMHandle handle) {
  if (!handle) return -1;
  log_texts(handle, "rkllm_release_prompt_cache", NULL, NULL, NULL);
  return 0;
}

#if FAMILY >= 2
EXPORT int rkllm_set_chat_template(LLMHandle handle, const char *system, const char *prefix,
                                   const char *postfix) {
  Handle *h = handle;
  if (!h) return -1;
  log_texts(h, "rkllm_set_chat_template", system, prefix, postfix);
  say("W rkllm: Calling rkllm_set_chat_template will disable the internal automatic chat template "
      "parsing, including enable_thinking.");
  h->own_template = 1;
  return 0;
}
#endif

#if FAMILY >= 4
EXPORT int rkllm_clear_kv_cache(LLMHandle handle, int keep, int *from, int *to) {
  Handle *h = handle;
  (void)keep;
  if (!h) return -1;
  if (from || to) {
    say("E rkllm: start_pos and end_pos are only valid when keep_history is 0 and paused");
    return -1;
  }
  log_texts(h, "rkllm_clear_kv_cache", NULL, NULL, NULL);
  h->history_len = 0;
  return 0;
}

EXPORT int rkllm_get_kv_cache_size(LLMHandle handle, int *sizes) {
  Handle *h = handle;
  if (!h) return -1;
  sizes[0] = (int)(h->history_len / 4);
  return 0;
}

EXPORT int rkllm_set_function_tools(LLMHandle handle, const char *system, const char *tools,
                                    const char *response) {
  Handle *h = handle;
  if (!h) return -1;
  log_texts(h, "rkllm_set_function_tools", system, tools, response);
  snprintf(h->tools, sizeof h->tools, "%s", tools);
  return 0;
}

EXPORT int rkllm_set_cross_attn_params(LLMHandle handle, RKLLMCrossAttnParam *p) {
  return handle && p ? 0 : -1;
}
#elif FAMILY >= 2
EXPORT int rkllm_clear_kv_cache(LLMHandle handle, int keep) {
  Handle *h = handle;
  (void)keep;
  if (!h) return -1;
  log_texts(h, "rkllm_clear_kv_cache", NULL, NULL, NULL);
  h->history_len = 0;
  return 0;
}
#endif
