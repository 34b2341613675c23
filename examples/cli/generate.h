// One reply, event by event, with Ctrl-C watched between the events.
#pragma once

#include <pensee/pensee.h>

#include <functional>

#include "settings.h"

namespace cli {

// Pulls events until the END event (with n samples: of each), which is handed on too, and returns the first sample's
// finish reason. Ctrl-C cancels: the END
// event then says so. Throws Failure for an error inside the stream, after its END event.
int32_t generate(const SessionHandle& session, const pensee_prompt& prompt, const pensee_options& options,
                 const std::function<void(const pensee_event&)>& on_event);

const char* finish_reason_name(int32_t finish_reason);

}  // namespace cli
