#include "engine/texts.h"

#include <map>

#include "formats/tensors.h"

namespace pensee {
namespace {

constexpr uint64_t kTextLimit = uint64_t{256} << 20;
constexpr std::string_view kEntryPrefix = "text/";

using Text = std::optional<std::string>;

Status changed(const std::string& path) {
  return Status::format(Code::file_io, "{}: changed since the model was opened from it", path);
}

class FolderTexts final : public ModelTexts {
 public:
  explicit FolderTexts(const std::string& folder) : shown_(folder), folder_(absolute_path(folder)) {
    for (const char* name : kFolderTexts) stamps_[name] = stamp_of(folder_ + "/" + name);
  }
  Result<Text> read(const std::string& name) const override {
    const std::string file_path = folder_ + "/" + name;
    const auto stamp = stamps_.find(name);
    if (stamp_of(file_path) != (stamp == stamps_.end() ? std::nullopt : stamp->second)) return changed(path(name));
    if (!file_exists(file_path)) return Text();
    PENSEE_ASSIGN(auto file, open_file(file_path));
    PENSEE_ASSIGN(std::string text, read_text(*file, kTextLimit));
    return Text(std::move(text));
  }
  std::string path(const std::string& name) const override { return shown_ + "/" + name; }

 private:
  std::string shown_, folder_;
  std::map<std::string, std::optional<FileStamp>> stamps_;
};

class GgufTexts final : public ModelTexts {
 public:
  GgufTexts(const std::shared_ptr<const File>& file, const std::string& path, bool keep)
      : name_(file->name()), path_(path.empty() ? path : absolute_path(path)), stamp_(stamp_of(path_)) {
    if (keep) file_ = file;
  }
  Result<Text> read(const std::string& name) const override {
    if (name != kHeaderText) return Text();
    if (file_) return header(*file_);
    if (path_.empty()) {
      return Status::unsupported("{}: what it says besides weights was not kept: open it by its path", name_);
    }
    if (!stamp_ || stamp_of(path_) != stamp_) return changed(name_);
    PENSEE_ASSIGN(auto file, open_file(path_));
    return header(*file);
  }
  std::string path(const std::string&) const override { return name_; }

 private:
  static Result<Text> header(const File& file) {
    PENSEE_ASSIGN(std::string text, read_gguf_header_text(file));
    return Text(std::move(text));
  }
  std::string name_, path_;
  std::optional<FileStamp> stamp_;
  std::shared_ptr<const File> file_;
};

class PackedTexts final : public ModelTexts {
 public:
  explicit PackedTexts(std::shared_ptr<const PackedFile> file) : file_(std::move(file)) {}
  Result<Text> read(const std::string& name) const override {
    const PackedEntry* entry = file_->find(std::string(kEntryPrefix) + name);
    if (!entry) return Text();
    if (entry->bytes > kTextLimit) {
      return Status::unsupported("{}: {} bytes of text, more than the {} that are read", path(name), entry->bytes,
                                 kTextLimit);
    }
    std::string text(entry->bytes, '\0');
    PENSEE_TRY(file_->read(*entry, std::as_writable_bytes(std::span(text.data(), text.size()))));
    return Text(std::move(text));
  }
  std::string path(const std::string& name) const override { return file_->name() + ": " + name; }

 private:
  std::shared_ptr<const PackedFile> file_;
};

}  // namespace

std::shared_ptr<const ModelTexts> texts_of_folder(const std::string& folder) {
  return std::make_shared<FolderTexts>(folder);
}

std::shared_ptr<const ModelTexts> texts_of_gguf(const std::shared_ptr<const File>& file, const std::string& path,
                                                bool keep) {
  return std::make_shared<GgufTexts>(file, path, keep);
}

std::shared_ptr<const ModelTexts> texts_of_packed(std::shared_ptr<const PackedFile> file) {
  return std::make_shared<PackedTexts>(std::move(file));
}

Status write_texts(const ModelTexts& texts, PackedWriter& writer) {
  const auto write = [&](const std::string& name) -> Status {
    PENSEE_ASSIGN(const Text text, texts.read(name));
    if (!text) return Status();
    return writer.add(std::string(kEntryPrefix) + name, json::Value(), std::as_bytes(std::span(*text)));
  };
  for (const char* name : kFolderTexts) PENSEE_TRY(write(name));
  return write(kHeaderText);
}

}  // namespace pensee
