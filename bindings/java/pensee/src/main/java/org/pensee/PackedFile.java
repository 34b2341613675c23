package org.pensee;

/** How a file of {@link Model#savePacked} is used. */
public enum PackedFile {
    /**
     * In place, shared by all processes. If somebody cuts the file short meanwhile, the system ends the process.
     */
    MAP(0),
    /** Read into memory of the process, checksums held. */
    READ(1),
    /** As {@link #MAP}, after all bytes were held against their checksums. */
    VERIFY(2);

    /** pensee.h's number. */
    final int value;

    PackedFile(int value) {
        this.value = value;
    }
}
