// `pensee bench --tune`: which backend multiplies the model's matrices fastest for how many rows of activations. The
// library measures (pensee_model_tune) and writes JSON; here it is read back and printed as a table.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bench.h"
#include "commands.h"
#include "json_reader.h"

namespace cli {
namespace {

int on_progress(void* user, float fraction) {
  if (user) static_cast<ProgressBar*>(user)->show(fraction);
  return Interrupt::requested();
}

// A file that goes with its owner, for who wants the table on the screen alone.
class TemporaryFile {
 public:
  TemporaryFile() {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder && *folder ? folder : "/tmp") + "/pensee-tuning-XXXXXX";
    const int fd = mkstemp(path_.data());
    if (fd < 0) throw Failure(PENSEE_OK, path_ + ": no temporary file can be made");
    close(fd);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string text(const Json& row, const char* key) {
  const Json* value = row.find(key);
  return value ? value->text : "";
}

double number(const Json& row, const char* key) {
  const Json* value = row.find(key);
  return value ? std::strtod(value->text.c_str(), nullptr) : 0;
}

// One line for each shape and backend; GFLOPS for each number of rows.
void print_measured(const Json& measured) {
  std::set<int64_t> all_rows;
  std::vector<std::string> order;
  std::map<std::string, std::map<int64_t, double>> rates;
  for (const Json& row : measured.items) {
    const double matrices = number(row, "matrices"), rows = number(row, "rows"), cols = number(row, "cols");
    const std::string kind = text(row, "activations").empty() ? "" : " " + text(row, "activations");
    char line[160];
    std::snprintf(line, sizeof line, "| %-7s | %3.0f x %6.0f x %5.0f | %-12s |", text(row, "type").c_str(), matrices,
                  rows, cols, (text(row, "backend") + kind).c_str());
    const auto x_rows = static_cast<int64_t>(number(row, "x_rows"));
    if (!rates.count(line)) order.push_back(line);
    rates[line][x_rows] = 2e-9 * matrices * rows * cols * static_cast<double>(x_rows) / number(row, "seconds");
    all_rows.insert(x_rows);
  }
  std::string out = "GFLOPS by the rows of activations that meet a matrix\n\n| type    | matrices, rows, cols | ";
  out += "backend      |";
  char cell[32];
  for (const int64_t rows : all_rows) {
    std::snprintf(cell, sizeof cell, " %7lld |", static_cast<long long>(rows));
    out += cell;
  }
  out += "\n|---------|----------------------|--------------|";
  for (size_t i = 0; i < all_rows.size(); i++) out += "--------:|";
  for (const std::string& line : order) {
    out += "\n" + line;
    for (const auto& [rows, rate] : rates[line]) {
      std::snprintf(cell, sizeof cell, " %7.1f |", rate);
      out += cell;
    }
  }
  write_output(out + "\n\n");
}

void print_table(const Json& table) {
  std::string out;
  for (const Json& row : table.items) {
    char line[160];
    std::snprintf(line, sizeof line, "%s (%s activations): %s from %.0f rows on\n", text(row, "type").c_str(),
                  text(row, "activations").c_str(), text(row, "backend").c_str(), number(row, "from_rows"));
    out += line;
  }
  write_output(out + "native for everything else\n");
}

}  // namespace

int tune_backends(const BenchSettings& s) {
  ModelSettings settings = s.model;
  settings.options.backend = PENSEE_BACKEND_NATIVE;
  const ModelHandle model = open_model(s.path.c_str(), settings);
  const TemporaryFile temporary;
  const std::string path = s.tune_file ? s.tune_file : temporary.path();
  {
    Interrupt interrupt;
    ProgressBar bar("measuring");
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_model_tune(model.get(), path.c_str(), on_progress, s.json ? nullptr : &bar, &error), error);
  }
  const std::string json = read_file(path);
  if (s.json) {
    write_output(json);
    return exit_ok;
  }
  const Json file = parse_json(json);
  const Json* measured = file.find("measured");
  const Json* table = file.find("table");
  if (measured) print_measured(*measured);
  if (table) print_table(*table);
  return exit_ok;
}

}  // namespace cli
