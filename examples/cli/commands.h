// The commands. Each reads its own argv (argv[0] is its name) and returns the exit code; what goes wrong is thrown as
// UsageError, Failure or OutputClosed and told by main.
#pragma once

namespace cli {

int run_command(int argc, char** argv);
int chat_command(int argc, char** argv);
int evaluate_command(int argc, char** argv);
int inspect_command(int argc, char** argv);
int pack_command(int argc, char** argv);
int tokenize_command(int argc, char** argv);
int bench_command(int argc, char** argv);

}  // namespace cli
