// What a model's files say besides weights, as texts with names: config and tokenizer files of a folder, or a GGUF's
// header. Read when a model is opened, and once more when it is saved: nobody keeps megabytes of JSON for that.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "formats/packed_file.h"

namespace pensee {

inline constexpr const char* kFolderTexts[] = {"config.json", "generation_config.json", "tokenizer_config.json",
                                               "tokenizer.json", "chat_template.jinja"};
inline constexpr const char* kHeaderText = "header.gguf";

class ModelTexts {
 public:
  virtual ~ModelTexts() = default;
  // Nothing: there is none of that name.
  virtual Result<std::optional<std::string>> read(const std::string& name) const = 0;
  virtual std::string path(const std::string& name) const = 0;  // for messages
};

// Files that change after it was made are an error of read().
std::shared_ptr<const ModelTexts> texts_of_folder(const std::string& folder);
// `path`: where the file lies, "" where that is not known: kHeaderText can then be read while `file` is kept.
std::shared_ptr<const ModelTexts> texts_of_gguf(const std::shared_ptr<const File>& file, const std::string& path,
                                                bool keep);
std::shared_ptr<const ModelTexts> texts_of_packed(std::shared_ptr<const PackedFile> file);

// All of them, as entries that texts_of_packed finds again.
Status write_texts(const ModelTexts& texts, PackedWriter& writer);

}  // namespace pensee
