#include "models/packed_model.h"

#include "models/load_steps.h"
#include "models/parts.h"

namespace pensee {
namespace {

constexpr const char* kNamings[] = {"hugging_face", "gguf"};

Status corrupt(const PackedFile& file, std::string_view name, std::string_view what) {
  return Status::corrupt("{}: '{}' {}", file.name(), name, what);
}

class Writing {
 public:
  Writing(const Backend& backend, PackedWriter& writer) : backend_(backend), writer_(writer) {}

  Status numbers(const std::string& name, const std::vector<float>& numbers, int64_t, bool) {
    return numbers.empty() ? Status() : writer_.add(name, json::Value(), std::as_bytes(std::span(numbers)));
  }

  Status weight(const std::string& name, const std::unique_ptr<PackedWeight>& weight, const PartShape&) {
    if (!weight) return Status();
    if (weight->packed().empty() || backend_.packed_layouts() == 0) {
      return Status::unsupported("backend '{}' packs weights in a form that cannot be kept: open the model with native",
                                 backend_.name());
    }
    json::Value about;
    about.set("type", info(weight->stored).name);
    about.set("layout", weight->layout);
    about.set("matrices", weight->matrices);
    about.set("rows", weight->rows);
    about.set("cols", weight->cols);
    return writer_.add(name, std::move(about), weight->packed());
  }

  Status linear(const std::string& name, const Linear& linear, const PartShape& shape) {
    for (size_t i = 0; i < linear.parts.size(); ++i) {
      PENSEE_TRY(weight(format("{}.{}", name, i), linear.parts[i], shape));
    }
    return numbers(name + ".bias", linear.bias, 0, false);
  }

 private:
  const Backend& backend_;
  PackedWriter& writer_;
};

// The bytes of one entry, in place or to be read.
class EntrySource final : public PackedSource {
 public:
  EntrySource(const PackedFile& file, const PackedEntry& entry) : file_(file), entry_(entry) {
    name = format("{}: '{}'", file.name(), entry.name);
    size = entry.bytes;
  }
  Status read(std::span<std::byte> out) const override { return file_.read(entry_, out); }

 private:
  const PackedFile& file_;
  const PackedEntry& entry_;
};

class Restoring {
 public:
  Restoring(const PackedFile& file, PackedUse use, const LoadOptions& options)
      : file_(file), use_(use), options_(options) {
    if (use != PackedUse::read) mapping_ = file.file()->map();
  }
  ~Restoring() {
    if (options_.budget) options_.budget->give(taken_);
  }
  Restoring(const Restoring&) = delete;
  Restoring& operator=(const Restoring&) = delete;
  void keep() { taken_ = 0; }  // what was taken from the budget is the model's now

  Status numbers(const std::string& name, std::vector<float>& out, int64_t length, bool required) {
    const PackedEntry* entry = file_.find(name);
    if (!entry) return required ? corrupt(file_, name, "is missing") : Status();
    if (entry->bytes != static_cast<uint64_t>(length) * sizeof(float)) {
      return corrupt(file_, name, format("has {} bytes where {} numbers are wanted", entry->bytes, length));
    }
    out.resize(static_cast<size_t>(length));
    return file_.read(*entry, std::as_writable_bytes(std::span(out)));
  }

  Status weight(const std::string& name, std::unique_ptr<PackedWeight>& out, const PartShape& shape) {
    const PackedEntry* entry = file_.find(name);
    if (!entry) return shape.required ? corrupt(file_, name, "is missing") : Status();
    PENSEE_ASSIGN(out, restored(*entry));
    return check(name, *out, shape, out->rows);
  }

  Status linear(const std::string& name, Linear& out, const PartShape& shape) {
    while (const PackedEntry* entry = file_.find(format("{}.{}", name, out.parts.size()))) {
      PENSEE_ASSIGN(auto part, restored(*entry));
      out.rows += part->rows;
      out.cols = part->cols;
      out.parts.push_back(std::move(part));
      if (out.rows > shape.rows) break;
    }
    if (out.parts.empty()) return corrupt(file_, name, "is missing");
    for (const auto& part : out.parts) PENSEE_TRY(check(name, *part, shape, out.rows));
    return numbers(name + ".bias", out.bias, shape.rows, false);
  }

 private:
  Status check(const std::string& name, const PackedWeight& part, const PartShape& shape, int64_t rows) const {
    if (part.matrices == shape.matrices && rows == shape.rows && part.cols == shape.cols) return Status();
    return corrupt(file_, name, format("is {} x {} x {} where the config wants {} x {} x {}", part.matrices, rows,
                                       part.cols, shape.matrices, shape.rows, shape.cols));
  }

  static bool read_text(const json::Value& about, std::string_view key, std::string_view& out) {
    const json::Value* value = about.find(key);
    if (!value || !value->string()) return false;
    out = *value->string();
    return true;
  }
  static bool read_side(const json::Value& about, std::string_view key, int64_t& out) {
    const json::Value* value = about.find(key);
    if (!value || !value->integer()) return false;
    out = *value->integer();
    return out > 0;
  }

  Result<std::unique_ptr<PackedWeight>> restored(const PackedEntry& entry) {
    EntrySource source(file_, entry);
    std::string_view type;
    if (!read_text(entry.about, "type", type) || !read_text(entry.about, "layout", source.layout) ||
        !read_side(entry.about, "matrices", source.matrices) || !read_side(entry.about, "rows", source.rows) ||
        !read_side(entry.about, "cols", source.cols)) {
      return corrupt(file_, entry.name, "is not described");
    }
    source.type = StoredType::count;
    for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
      if (info(static_cast<StoredType>(t)).name == type) source.type = static_cast<StoredType>(t);
    }
    if (source.type == StoredType::count) return corrupt(file_, entry.name, "is of a type that is none");
    if (mapping_) {
      source.mapped = mapping_->bytes().subspan(entry.offset, entry.bytes);
      source.keeper = mapping_;
      if (use_ == PackedUse::verify) PENSEE_TRY(file_.check(entry, source.mapped));
    }
    PENSEE_ASSIGN(auto made, options_.backend->adopt(source));
    if (options_.budget && !options_.budget->take(made->owned_bytes())) {
      return Status::format(Code::out_of_memory, "{}: the weights need more than the memory_budget of {} bytes",
                            source.name, options_.budget->limit());
    }
    if (options_.budget) taken_ += made->owned_bytes();
    done_ += entry.bytes;
    const auto total = static_cast<double>(file_.file()->size());
    if (options_.progress && !options_.progress(options_.progress_user, static_cast<float>(done_ / total))) {
      return Status(Code::cancelled, "loading was cancelled by the progress callback");
    }
    return made;
  }

  const PackedFile& file_;
  PackedUse use_;
  const LoadOptions& options_;
  std::shared_ptr<const Mapping> mapping_;
  uint64_t taken_ = 0;  // from the budget and not yet the model's
  double done_ = 0;
};

Status read_count(const PackedFile& file, const json::Value& object, std::string_view key, int64_t most, int64_t& out) {
  const json::Value* value = object.find(key);
  if (!value || !value->integer() || *value->integer() < 0 || *value->integer() > most) {
    return Status::corrupt("{}: \"{}\" of the model is no number from 0 to {}", file.name(), key, most);
  }
  out = *value->integer();
  return Status();
}

// What a load from the original counts and finds out.
Status read_facts(const PackedFile& file, Model& model) {
  const json::Value* about = file.about().find("model");
  if (!about || !about->object()) return Status::corrupt("{}: nothing is said of the model", file.name());
  constexpr int64_t most = int64_t{1} << 60;
  int64_t tied = 0, has_mtp = 0, stored = 0;
  PENSEE_TRY(read_count(file, *about, "vocab_size", kMaxDimension, model.config.vocab_size));
  PENSEE_TRY(read_count(file, *about, "tied_head", 1, tied));
  PENSEE_TRY(read_count(file, *about, "mtp", 1, has_mtp));
  PENSEE_TRY(read_count(file, *about, "parameters_total", most, model.facts.parameters_total));
  PENSEE_TRY(read_count(file, *about, "parameters_active", most, model.facts.parameters_active));
  PENSEE_TRY(read_count(file, *about, "stored_bytes", most, stored));
  model.config.tie_word_embeddings = tied == 1;
  model.facts.has_mtp = has_mtp == 1 && model.config.num_nextn_predict_layers > 0;
  model.facts.stored_bytes = static_cast<uint64_t>(stored);
  if (const json::Value* text = about->find("quantization"); text && text->string()) {
    model.facts.quantization = *text->string();
  }
  if (model.config.vocab_size > 0) return Status();
  return Status::corrupt("{}: the model has no vocabulary", file.name());
}

Status check_layouts(const PackedFile& file, const Backend& backend) {
  const json::Value* name = file.about().find("backend");
  if (!name || !name->string()) return Status::corrupt("{}: no backend is named", file.name());
  if (*name->string() != backend.name()) {
    return Status::unsupported("{}: packed for backend '{}', not for '{}': choose that backend, or open the original",
                               file.name(), *name->string(), backend.name());
  }
  int64_t layouts = 0;
  PENSEE_TRY(read_count(file, file.about(), "layouts", INT32_MAX, layouts));
  if (layouts == backend.packed_layouts()) return Status();
  return Status::unsupported("{}: packed in version {} of the layouts but this library computes with version {}: pack "
                             "the original again",
                             file.name(), layouts, backend.packed_layouts());
}

}  // namespace

Status write_packed_model(const Model& model, const Backend& backend, PackedWriter& writer, json::Value& about) {
  Writing writing(backend, writer);
  PENSEE_TRY(writing.numbers("rope_frequencies", model.config.rope.frequency_factors, 0, false));
  PENSEE_TRY(each_part(model, writing));
  json::Value facts;
  facts.set("vocab_size", model.config.vocab_size);
  facts.set("tied_head", model.config.tie_word_embeddings ? 1 : 0);
  facts.set("mtp", model.mtp ? 1 : 0);
  facts.set("parameters_total", model.facts.parameters_total);
  facts.set("parameters_active", model.facts.parameters_active);
  facts.set("stored_bytes", static_cast<int64_t>(model.facts.stored_bytes));
  facts.set("quantization", model.facts.quantization);
  about.set("naming", kNamings[static_cast<size_t>(model.origin_naming)]);
  about.set("backend", backend.name());
  about.set("layouts", backend.packed_layouts());
  about.set("model", std::move(facts));
  return Status();
}

Result<Naming> naming_of(const PackedFile& file) {
  const json::Value* value = file.about().find("naming");
  for (size_t i = 0; value && value->string() && i < std::size(kNamings); ++i) {
    if (*value->string() == kNamings[i]) return static_cast<Naming>(i);
  }
  return Status::corrupt("{}: it does not say whose config it holds", file.name());
}

Result<std::unique_ptr<Model>> load_packed_model(const json::Value& config, const std::string& config_name,
                                                 const std::shared_ptr<const PackedFile>& file, PackedUse use,
                                                 const LoadOptions& options) {
  PENSEE_ASSIGN(const Naming naming, naming_of(*file));
  if (options.backend) PENSEE_TRY(check_layouts(*file, *options.backend));
  PENSEE_ASSIGN(auto model, begin_model(config, config_name, naming, options));
  PENSEE_TRY(read_facts(*file, *model));
  Restoring restoring(*file, use, options);
  ModelConfig& c = model->config;
  PENSEE_TRY(restoring.numbers("rope_frequencies", c.rope.frequency_factors, c.rope_pairs, false));
  const bool with_mtp = options.load_mtp && model->facts.has_mtp;
  shape_model(*model, with_mtp, options);
  if (!options.backend) return model;
  make_layers(*model, with_mtp);
  PENSEE_TRY(each_part(*model, restoring));
  restoring.keep();
  count_packed(*model);
  return model;
}

}  // namespace pensee
