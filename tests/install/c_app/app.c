/* Prints the version of the library that was found; fails when header and library differ. */
#include <pensee/pensee.h>
#include <stdio.h>

int main(void) {
  printf("%s\n", pensee_version_text());
  return pensee_version() == PENSEE_VERSION ? 0 : 1;
}
