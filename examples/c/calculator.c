/* A model with a tool: it is told of a calculator, calls it when it likes, gets the result in the same session, and
 * answers. A model that calls no tool just answers.
 *
 *   calculator MODEL "What is 127 * 4 + 3?" [required]
 *
 * With `required` the first reply is held to a call of the tool, whatever the model thinks of it. */
#include <pensee/pensee.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { rounds_max = 4, conversation_size = 1 << 16 };

#define NUMBER "{\"type\": \"integer\", \"minimum\": -1000000, \"maximum\": 1000000}"
static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"calculate\", \"description\": \"Computes a op b.\","
    " \"parameters\": {\"type\": \"object\", \"properties\": {\"a\": " NUMBER
    ", \"op\": {\"type\": \"string\", \"enum\": [\"+\", \"-\", \"*\", \"/\"]}, \"b\": " NUMBER
    "}, \"required\": [\"a\", \"op\", \"b\"], \"additionalProperties\": false}}}]";

struct talk {
  char messages[conversation_size]; /* a JSON array without its closing bracket */
  int calls;                        /* of the last reply */
};

/* Too long a talk is cut, and then no longer JSON: the library will say so. */
static void append(struct talk* talk, const char* text) {
  const size_t length = strlen(talk->messages);
  snprintf(talk->messages + length, sizeof talk->messages - length, "%s", text);
}

static void append_string(struct talk* talk, const char* text) {
  append(talk, "\"");
  for (; *text; text++) {
    const unsigned char byte = (unsigned char)*text;
    char piece[8];
    snprintf(piece, sizeof piece, byte < 0x20 || byte == '"' || byte == '\\' ? "\\u%04x" : "%c", byte);
    append(talk, piece);
  }
  append(talk, "\"");
}

/* The value of `name` in a flat JSON object, or NULL. A program of yours has a JSON library for this. */
static const char* value_of(const char* json, const char* name) {
  char key[32];
  const char* at;
  snprintf(key, sizeof key, "\"%s\"", name);
  at = strstr(json, key);
  at = at ? strchr(at + strlen(key), ':') : NULL;
  return at ? at + 1 + strspn(at + 1, " \t\r\n\"") : NULL;
}

static double calculate(const char* arguments_json) {
  const char *a = value_of(arguments_json, "a"), *op = value_of(arguments_json, "op");
  const char* b = value_of(arguments_json, "b");
  const double x = a ? strtod(a, NULL) : 0, y = b ? strtod(b, NULL) : 0;
  switch (op ? *op : ' ') {
    case '+':
      return x + y;
    case '-':
      return x - y;
    case '*':
      return x * y;
    default:
      return y == 0 ? 0 : x / y;
  }
}

/* The event that completes a call has its name and arguments: what the model asked and what it gets go into the talk.
 */
static void answer_call(struct talk* talk, const pensee_event* event) {
  char result[64];
  snprintf(result, sizeof result, "%g", calculate(event->tool_arguments_json));
  printf("[%s(%s) = %s]\n", event->tool_name, event->tool_arguments_json, result);
  append(talk, ", {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"type\": \"function\", \"id\": ");
  append_string(talk, event->tool_call_id);
  append(talk, ", \"function\": {\"name\": ");
  append_string(talk, event->tool_name);
  append(talk, ", \"arguments\": ");
  append_string(talk, event->tool_arguments_json);
  append(talk, "}}]}, {\"role\": \"tool\", \"tool_call_id\": ");
  append_string(talk, event->tool_call_id);
  append(talk, ", \"content\": ");
  append_string(talk, result);
  append(talk, "}");
  talk->calls++;
}

static int on_event(void* user, const pensee_event* event) {
  if (event->kind == PENSEE_EVENT_TOOL_CALL && event->tool_name) answer_call(user, event);
  if (event->kind == PENSEE_EVENT_ANSWER) fwrite(event->text, 1, event->text_length, stdout);
  if (event->kind == PENSEE_EVENT_END) printf("\n");
  return fflush(stdout);
}

static pensee_status converse(pensee_session* session, const char* question, int32_t tool_choice, pensee_error* error) {
  static struct talk talk;
  pensee_options options = PENSEE_OPTIONS_INIT;
  int round;
  options.max_tokens = 2000;
  options.think_budget = 500; /* then the thought is closed, and the call or the answer follows */
  options.tool_choice = tool_choice;
  append(&talk, "[{\"role\": \"user\", \"content\": ");
  append_string(&talk, question);
  append(&talk, "}");
  for (round = 0; round < rounds_max; round++) {
    static char messages[conversation_size + 1];
    pensee_prompt prompt = PENSEE_PROMPT_INIT;
    pensee_status status;
    snprintf(messages, sizeof messages, "%s]", talk.messages);
    prompt.messages_json = messages;
    prompt.tools_json = tools;
    talk.calls = 0;
    status = pensee_generate(session, &prompt, &options, on_event, &talk, error);
    if (status != PENSEE_OK || talk.calls == 0) return status;
    options.tool_choice = PENSEE_TOOLS_AUTO; /* the result is there: now it may answer */
  }
  return PENSEE_OK;
}

int main(int argc, char** argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model* model = NULL;
  pensee_session* session = NULL;
  pensee_status status;
  const int required = argc == 4 && strcmp(argv[3], "required") == 0;
  if (argc != 3 && !required) {
    fprintf(stderr, "usage: %s MODEL QUESTION [required]\n", argv[0]);
    return 2;
  }
  status = pensee_model_open(argv[1], NULL, &model, &error);
  if (status == PENSEE_OK) status = pensee_session_new(model, &session, &error);
  if (status == PENSEE_OK)
    status = converse(session, argv[2], required ? PENSEE_TOOLS_REQUIRED : PENSEE_TOOLS_AUTO, &error);
  if (status != PENSEE_OK) fprintf(stderr, "%s: %s\n", pensee_status_name(status), error.message);
  pensee_session_free(session);
  pensee_model_free(model);
  return status == PENSEE_OK ? 0 : 1;
}
