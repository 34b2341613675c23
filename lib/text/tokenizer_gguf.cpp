#include "text/tokenizer_parts.h"
namespace pensee { Result<std::shared_ptr<const Tokenizer>> make_tokenizer_gguf(const json::Value&, std::string_view n) { return Status::unsupported("{} todo", n); } }
