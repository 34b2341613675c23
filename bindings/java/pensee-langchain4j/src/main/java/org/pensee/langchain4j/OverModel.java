package org.pensee.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.pensee.Model;
import org.pensee.Options;

/** What both chat models are made of, and say of themselves. */
abstract class OverModel {
    final Model model;
    final Options options;
    private final List<ChatModelListener> listeners;

    OverModel(Model model, Options options, List<ChatModelListener> listeners) {
        this.model = Objects.requireNonNull(model, "model");
        this.options = Objects.requireNonNull(options, "options");
        this.listeners = List.copyOf(listeners);
    }

    /** Those that were given. */
    public List<ChatModelListener> listeners() {
        return listeners;
    }

    /** Answers that keep to a JSON schema. */
    public Set<Capability> supportedCapabilities() {
        return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    }
}
