package org.pensee;

/** Priority of the threads that the library starts, never of yours. */
public enum ThreadPriority {
    /** As the thread that starts them. */
    NORMAL(0),
    /** Behind the application's other work. */
    LOW(1),
    /** When nobody else wants the CPU. */
    BACKGROUND(2);

    /** pensee.h's number. */
    final int value;

    ThreadPriority(int value) {
        this.value = value;
    }
}
