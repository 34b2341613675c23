// Steps of loading that do not depend on where the weights come from. Private to models/.
#pragma once

#include "models/model.h"

namespace pensee {

// A model with its config, after the options were held against it.
Result<std::unique_ptr<Model>> begin_model(const json::Value& config, const std::string& name, Naming naming,
                                           const LoadOptions& options);
// RoPE and the shape of the cache; once the config is complete.
void shape_model(Model& model, bool with_mtp, const LoadOptions& options);
// The layers without their weights.
void make_layers(Model& model, bool with_mtp);
void count_packed(Model& model);  // facts.weight_bytes and its like

}  // namespace pensee
