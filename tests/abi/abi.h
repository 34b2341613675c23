/* What the tests of the ABI share. C99 through pensee.h alone, like any program: nothing of lib/ is included. A test is
 * a sentence and a function; its checks print what failed and go on. */
#ifndef PENSEE_TESTS_ABI_H
#define PENSEE_TESTS_ABI_H

#include <pensee/pensee.h>
#include <stdbool.h>
#include <string.h>

typedef struct abi_case {
  const char* sentence;
  void (*run)(void);
} abi_case;

/* One table a promise, ended by a case without a sentence. */
extern const abi_case abi_errors[];    /* P1 */
extern const abi_case abi_inputs[];    /* P2 */
extern const abi_case abi_threads[];   /* P3 */
extern const abi_case abi_lifetimes[]; /* P4 */
extern const abi_case abi_text[];      /* P5 */
extern const abi_case abi_structs[];   /* P6 */
extern const abi_case abi_growth[];    /* P7 */
extern const abi_case abi_silence[];   /* P8 */

void abi_check(bool holds, const char* what, const char* file, int line);
#define CHECK(condition) abi_check((condition), #condition, __FILE__, __LINE__)
/* `call` must give `wanted`; where it is an error, err must tell it. `err` is reset before the call. */
bool abi_status(pensee_status got, pensee_status wanted, const pensee_error* err, const char* what, const char* file,
                int line);
#define EXPECT(wanted, err, call) (abi_reset(&(err)), abi_status((call), (wanted), &(err), #call, __FILE__, __LINE__))
void abi_reset(pensee_error* err);

bool abi_valid_utf8(const char* text, size_t length);

/* Tiny models of random weights in tests/goldens/data; context 512. */
#define ABI_GGUF "gguf_qwen2_tied_q4_1/model.gguf" /* with a tokenizer of bytes; dense */
#define ABI_MOE "gguf_deepseek_v3_f32/model.gguf"  /* likewise; experts, latent attention */
#define ABI_FOLDER "deepseek_v3"                   /* Hugging Face folder without a tokenizer */
/* Path of a file in there; one of four static buffers. */
const char* abi_path(const char* name);
/* Contents of a file; free() them. The test program ends where it cannot read its data. */
char* abi_read(const char* path, size_t* size);
pensee_model* abi_open(const char* name);
pensee_session* abi_session(pensee_model* model);

/* The prompt of most tests: ids that every tiny model has, greedy, ignoring the end of the text. */
enum { abi_prompt_ids = 6 };
pensee_prompt abi_prompt(void);
pensee_options abi_greedy(int64_t max_tokens);

/* The token ids that abi_prompt and abi_greedy give in `session`, at most 64; returns their number or -1. */
int abi_generate(pensee_session* session, int64_t max_tokens, int32_t* ids);
/* Whether the handles still work: generates and compares with `expected` (max_tokens of them). */
bool abi_still_works(pensee_session* session, const int32_t* expected, int max_tokens);

#endif
