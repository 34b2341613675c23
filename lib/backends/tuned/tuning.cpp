#include "backends/tuned/tuning.h"

#include "base/file.h"

namespace pensee {
namespace {

constexpr int64_t kVersion = 1;
constexpr int64_t kMostRows = int64_t{1} << 31;

Result<std::string> text_of(const json::Value& row, const char* key, const std::string& name) {
  const json::Value* value = row.find(key);
  if (value && value->string()) return *value->string();
  return Status::corrupt("{}: a row of the table lacks the text '{}'", name, key);
}

Status read_kind(const std::string& type, const std::string& activations, const std::string& name, TuningRow& row) {
  for (int t = 0; t < static_cast<int>(StoredType::count); ++t) {
    row.type = static_cast<StoredType>(t);
    if (info(row.type).name != type) continue;
    for (const Activations kind : {Activations::int16, Activations::int8}) {
      row.activations = kind;
      if (activations == activations_name(row.type, kind)) return Status();
    }
    return Status::corrupt("{}: '{}' are no activations that {} meets", name, activations, type);
  }
  return Status::corrupt("{}: '{}' is no stored type", name, type);
}

Result<TuningRow> read_row(const json::Value& from, const std::string& name) {
  TuningRow row;
  PENSEE_ASSIGN(const std::string type, text_of(from, "type", name));
  PENSEE_ASSIGN(const std::string activations, text_of(from, "activations", name));
  PENSEE_TRY(read_kind(type, activations, name, row));
  PENSEE_ASSIGN(row.backend, text_of(from, "backend", name));
  if (row.backend != "onednn" && row.backend != "blas") {
    return Status::corrupt("{}: backend '{}' for {}; onednn or blas may stand there", name, row.backend, type);
  }
  if (!backend_built_in(row.backend)) {
    return Status::unsupported("{}: backend '{}' is not in this build of pensee: measure anew with it", name,
                               row.backend);
  }
  const json::Value* rows = from.find("from_rows");
  if (!rows || !rows->integer() || *rows->integer() < 1 || *rows->integer() > kMostRows) {
    return Status::corrupt("{}: 'from_rows' of {} is no number of rows", name, type);
  }
  row.from_rows = *rows->integer();
  return row;
}

}  // namespace

bool is_float_type(StoredType type) { return type <= StoredType::bf16 || type == StoredType::f8_e4m3; }

const char* activations_name(StoredType type, Activations activations) {
  if (is_float_type(type)) return "float";
  return activations == Activations::int8 ? "int8" : "int16";
}

const TuningRow* Tuning::find(StoredType type, Activations activations) const {
  for (const TuningRow& row : rows) {
    if (row.type == type && (is_float_type(type) || row.activations == activations)) return &row;
  }
  return nullptr;
}

Result<Tuning> parse_tuning(std::string_view text, const std::string& name) {
  PENSEE_ASSIGN(const json::Value file, json::parse(text, name));
  const json::Value* version = file.find("pensee_tuning");
  if (!version || !version->integer()) return Status::corrupt("{}: is no tuning of pensee", name);
  if (*version->integer() != kVersion) {
    return Status::unsupported("{}: is a tuning of version {}, this library reads {}: measure anew", name,
                               *version->integer(), kVersion);
  }
  const json::Value* table = file.find("table");
  if (!table || !table->array()) return Status::corrupt("{}: has no table", name);
  Tuning tuning;
  for (const json::Value& from : *table->array()) {
    PENSEE_ASSIGN(TuningRow row, read_row(from, name));
    if (tuning.find(row.type, row.activations)) {
      return Status::corrupt("{}: {} stands in the table twice", name, info(row.type).name);
    }
    tuning.rows.push_back(std::move(row));
  }
  return tuning;
}

Result<Tuning> read_tuning(const std::string& path) {
  PENSEE_ASSIGN(const auto file, open_file(path));
  constexpr uint64_t most = 16 << 20;
  PENSEE_ASSIGN(const std::string text, read_text(*file, most));
  return parse_tuning(text, path);
}

json::Value tuning_json(const Tuning& tuning) {
  json::Array table;
  for (const TuningRow& row : tuning.rows) {
    json::Value one;
    one.set("type", info(row.type).name);
    one.set("activations", activations_name(row.type, row.activations));
    one.set("backend", row.backend);
    one.set("from_rows", row.from_rows);
    table.push_back(std::move(one));
  }
  return table;
}

}  // namespace pensee
