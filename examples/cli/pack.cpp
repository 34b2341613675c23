// `pensee pack`: a model as the library computes with it, in one file that is mapped instead of loaded.
#include <sys/stat.h>

#include <cstdio>

#include "commands.h"
#include "settings.h"

namespace cli {
namespace {

int on_progress(void* user, float fraction) {
  if (user) static_cast<ProgressBar*>(user)->show(fraction);
  return Interrupt::requested();
}

}  // namespace

int pack_command(int argc, char** argv) {
  ModelSettings settings;
  Flags flags = {{"quiet", nullptr, "no progress bar and no line at the end",
                  [&settings](const char*) { settings.quiet = true; }}};
  add_model_flags(flags, settings);
  const Command command = {
      "pack", "[OPTION]... MODEL OUT",
      "Saves MODEL in the layouts that the native kernels read, with its tokenizer and chat template, as the one file\n"
      "OUT. It opens in milliseconds, processes that use it share the memory, and it gives the same tokens. Another\n"
      "release of pensee may want it made anew: keep the original."};
  std::vector<std::string> positionals;
  if (!parse(command, flags, argc, argv, positionals)) return exit_ok;
  if (positionals.size() != 2) throw UsageError("MODEL and OUT are wanted");
  const ModelHandle model = open_model(positionals[0].c_str(), settings);
  const char* out = positionals[1].c_str();
  {
    Interrupt interrupt;
    ProgressBar bar("saving");
    pensee_error error = PENSEE_ERROR_INIT;
    const pensee_status status =
        pensee_model_save_packed(model.get(), out, on_progress, settings.quiet ? nullptr : &bar, &error);
    check(status, error);
  }
  struct stat file;
  if (!settings.quiet && stat(out, &file) == 0) {
    std::fprintf(stderr, "%s: %s\n", out, short_bytes(static_cast<double>(file.st_size)).c_str());
  }
  return exit_ok;
}

}  // namespace cli
