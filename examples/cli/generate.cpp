// Pull rather than push: a wait with a time-out notices Ctrl-C also while a long prompt is read, when no event comes.
#include "generate.h"

namespace cli {

int32_t generate(const SessionHandle& session, const pensee_prompt& prompt, const pensee_options& options,
                 const std::function<void(const pensee_event&)>& on_event) {
  constexpr int64_t poll_ms = 50;
  Interrupt interrupt;
  pensee_stream* raw = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_status opened = pensee_stream_open(session.get(), &prompt, &options, &raw, &error);
  check(opened, error);
  const StreamHandle stream(raw);  // freeing it cancels, whatever on_event throws
  int32_t ends_left = options.n > 1 ? options.n : 1;
  int32_t finish_reason = PENSEE_FINISH_NONE;
  for (bool cancelled = false;;) {
    if (Interrupt::requested() && !cancelled) {
      pensee_stream_cancel(stream.get());
      cancelled = true;
    }
    pensee_event event = PENSEE_EVENT_INIT;
    const pensee_status status = pensee_stream_next(stream.get(), poll_ms, &event, &error);
    if (status == PENSEE_TIMEOUT) continue;
    if (status == PENSEE_OK || event.kind == PENSEE_EVENT_END) on_event(event);
    check(status, error);
    if (event.kind != PENSEE_EVENT_END) continue;
    if (event.sample == 0) finish_reason = event.finish_reason;
    if (--ends_left <= 0) return finish_reason;
  }
}

const char* finish_reason_name(int32_t finish_reason) {
  switch (finish_reason) {
    case PENSEE_FINISH_STOP:
      return "stop";
    case PENSEE_FINISH_LENGTH:
      return "length";
    case PENSEE_FINISH_BUDGET:
      return "budget";
    case PENSEE_FINISH_LOOP:
      return "loop";
    case PENSEE_FINISH_CANCELLED:
      return "cancelled";
    case PENSEE_FINISH_TOOL_CALL:
      return "tool_call";
    case PENSEE_FINISH_ERROR:
      return "error";
    default:
      return "none";
  }
}

}  // namespace cli
