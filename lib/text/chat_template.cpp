// The public face of the template language: parse once, render as often as wanted, from any number of threads.
#include "text/chat_template.h"

#include "text/jinja_eval.h"

namespace pensee {
namespace {

constexpr size_t kSourceMax = 4 << 20;

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(std::string name, std::shared_ptr<const jinja::Node> root)
      : name_(std::move(name)), root_(std::move(root)) {}
  Result<std::string> render(const json::Value& variables) const override {
    return jinja::Evaluator(name_).render(*root_, variables);
  }

 private:
  std::string name_;
  std::shared_ptr<const jinja::Node> root_;
};

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> parse_chat_template(std::string_view source, std::string_view name) {
  if (source.size() > kSourceMax) {
    return Status::unsupported("{}: a chat template of {} bytes; at most {} are read", name, source.size(), kSourceMax);
  }
  PENSEE_ASSIGN(auto root, jinja::parse(source, name));
  return std::shared_ptr<const ChatTemplate>(std::make_shared<JinjaTemplate>(std::string(name), std::move(root)));
}

}  // namespace pensee
