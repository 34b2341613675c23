/* What a program without pensee weighs. */
int main(void) { return 0; }
