package org.pensee;

/** What {@link Model#trim} forgets. */
public enum TrimLevel {
    /** What is kept to be faster later: the prefix cache, scratch space. */
    CACHES(0),
    /** And what sessions that do not stream have computed; they compute their next prompt from its begin. */
    SESSIONS(1);

    /** pensee.h's number. */
    final int value;

    TrimLevel(int value) {
        this.value = value;
    }
}
