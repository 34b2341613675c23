#include "engine/request.h"

#include "engine/engine.h"
#include "engine/mtp_drafter.h"

namespace pensee {
namespace {

Result<std::unique_ptr<Drafter>> make_drafter(const Engine& engine, const GenerateOptions& o, SessionState& session) {
  std::unique_ptr<Drafter> none;
  const bool automatic = o.speculation == Speculation::automatic;
  if (o.speculation == Speculation::off) return none;
  if (o.speculation == Speculation::draft && !o.draft_model) {
    return Status(Code::bad_argument, "speculation by a draft model needs draft_model");
  }
  if (o.draft_model && (automatic || o.speculation == Speculation::draft)) {
    PENSEE_TRY(o.draft_model->require_weights());
    const int64_t own = engine.content.model->config.vocab_size;
    const int64_t its = o.draft_model->content.model->config.vocab_size;
    if (o.draft_model.get() == &engine || its > own) {
      return Status::format(Code::bad_argument,
                            "draft_model has {} tokens, the model {}: it must be another model with the same tokens",
                            its, own);
    }
    return std::unique_ptr<Drafter>(std::make_unique<ModelDrafter>(o.draft_model));
  }
  const bool has_mtp = engine.content.model->mtp.has_value();
  if (has_mtp && (automatic || o.speculation == Speculation::mtp)) {
    return std::unique_ptr<Drafter>(std::make_unique<MtpDrafter>(engine, session.cache));
  }
  if (o.speculation == Speculation::mtp) {
    return Status::unsupported("this model has no layer of multi-token prediction, or was opened without it");
  }
  return std::unique_ptr<Drafter>(std::make_unique<NgramDrafter>());
}

}  // namespace

Result<std::shared_ptr<Request>> Request::create(const Engine& engine, std::shared_ptr<SessionState> session,
                                                 std::vector<int32_t> prompt, GenerateOptions options,
                                                 std::shared_ptr<EventQueue> queue, int32_t sample) {
  auto made = std::make_shared<Request>();
  made->asked = Clock::now();
  PENSEE_ASSIGN(made->drafter, make_drafter(engine, options, *session));
  made->usage.seed = options.seed;
  made->usage.prompt_tokens = static_cast<int64_t>(prompt.size());
  made->usage.parameters_active = engine.content.model->facts.parameters_active;
  PENSEE_ASSIGN(made->generation, Generation::create(engine, std::move(options), prompt));
  made->session = std::move(session);
  made->queue = std::move(queue);
  made->sample = sample;
  made->prompt = std::move(prompt);
  return made;
}

}  // namespace pensee
