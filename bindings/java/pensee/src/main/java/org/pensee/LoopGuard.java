package org.pensee;

/** Whether a thought that goes in circles is closed and answered. */
public enum LoopGuard {
    /** It is. */
    ON(0),
    /** It goes on. */
    OFF(1);

    /** pensee.h's number. */
    final int value;

    LoopGuard(int value) {
        this.value = value;
    }
}
