// Version and status: texts, and how a Status reaches the caller.
#include <iterator>

#include "api/api.h"

namespace {

struct Row {
  pensee_status status;
  const char* name;
  const char* text;
};

const Row kRows[] = {
    {PENSEE_OK, "PENSEE_OK", "It worked."},
    {PENSEE_BAD_ARGUMENT, "PENSEE_BAD_ARGUMENT",
     "An argument is NULL, out of range or not UTF-8; the message names it."},
    {PENSEE_FILE_NOT_FOUND, "PENSEE_FILE_NOT_FOUND", "There is no such file; check the path."},
    {PENSEE_FILE_CORRUPT, "PENSEE_FILE_CORRUPT",
     "The file is truncated or contradicts itself; fetch it again, the message names the place."},
    {PENSEE_FILE_IO, "PENSEE_FILE_IO", "The system refused to read; check permissions and the device."},
    {PENSEE_OUT_OF_MEMORY, "PENSEE_OUT_OF_MEMORY",
     "Memory is out, or memory_budget forbids more; free something, shorten the context or raise the budget."},
    {PENSEE_UNSUPPORTED, "PENSEE_UNSUPPORTED", "This build or release cannot do that; the message says what it can."},
    {PENSEE_BUSY, "PENSEE_BUSY", "The session already streams; wait for its END event or use another session."},
    {PENSEE_CONTEXT_FULL, "PENSEE_CONTEXT_FULL",
     "The prompt is longer than the context; shorten it or raise context_max."},
    {PENSEE_NO_MORE_EVENTS, "PENSEE_NO_MORE_EVENTS", "The END event was already delivered; free the stream."},
    {PENSEE_CANCELLED, "PENSEE_CANCELLED", "It was cancelled, as you asked."},
    {PENSEE_STOPPED_BY_CALLBACK, "PENSEE_STOPPED_BY_CALLBACK", "The callback returned non-zero."},
    {PENSEE_TIMEOUT, "PENSEE_TIMEOUT", "No event came in time; the stream goes on, call again."},
    {PENSEE_INTERNAL, "PENSEE_INTERNAL", "A bug of pensee; please report it with the message."},
};

const Row* find(pensee_status status) {
  for (const Row& row : kRows) {
    if (row.status == status) return &row;
  }
  return nullptr;
}

}  // namespace

extern "C" {

uint32_t pensee_version(void) { return PENSEE_VERSION; }
const char* pensee_version_text(void) { return PENSEE_VERSION_TEXT; }

const char* pensee_status_name(pensee_status status) {
  const Row* row = find(status);
  return row ? row->name : "PENSEE_UNKNOWN";
}

const char* pensee_status_text(pensee_status status) {
  const Row* row = find(status);
  return row ? row->text : "A status that this library does not know.";
}

}  // extern "C"

namespace pensee::api {

pensee_status report(const Status& status, pensee_error* error) noexcept {
  const auto code = static_cast<pensee_status>(status.code());
  if (!error || error->struct_size < offsetof(pensee_error, message)) return code;
  error->status = code;
  // sizeof(pensee_error) may end in padding: the message is what counts.
  const size_t reach = error->struct_size - offsetof(pensee_error, message);
  const size_t room = reach < sizeof error->message ? reach : sizeof error->message;
  if (room == 0) return code;
  const std::string& text = status.message();
  size_t length = text.size() < room ? text.size() : room - 1;
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  std::memcpy(error->message, text.data(), length);
  error->message[length] = '\0';
  size_t bad = 0;  // a path, or a name in a broken file, may be no UTF-8
  while (!valid_utf8(std::string_view(error->message, length), &bad)) error->message[bad] = '?';
  return code;
}

}  // namespace pensee::api
