// Loading oneDNN and checking that it is one we can call: version 3, with OpenMP or without threads.
#include "backends/onednn/onednn_api.h"

namespace pensee::onednn {

Result<std::shared_ptr<const Api>> Api::load() {
  PENSEE_ASSIGN(Library library, Library::load({PENSEE_ONEDNN_NAME, "libdnnl.so.3"}, "oneDNN 3"));
  auto api = std::make_shared<Api>(std::move(library));
  const std::string& name = api->library.name();
#define PENSEE_ONEDNN_FIND(function)                                                                     \
  api->function = api->library.find<std::remove_pointer_t<decltype(api->function)>>("dnnl_" #function); \
  if (!api->function) return Status::unsupported("{} has no function dnnl_{}: it is not oneDNN 3", name, #function);
  PENSEE_ONEDNN_FUNCTIONS(PENSEE_ONEDNN_FIND)
#undef PENSEE_ONEDNN_FIND

  const dnnl_version_t* version = api->version();
  if (version->major != DNNL_VERSION_MAJOR) {
    return Status::unsupported("{} is oneDNN {}.{}, but pensee was built for oneDNN {}", name, version->major,
                               version->minor, DNNL_VERSION_MAJOR);
  }
  // Another runtime's threads could not be switched off and would fight with ours.
  if (version->cpu_runtime != DNNL_RUNTIME_OMP && version->cpu_runtime != DNNL_RUNTIME_SEQ) {
    return Status::unsupported("{} was built for CPU runtime {}; a build with OpenMP (2) or sequential (1) is needed",
                               name, version->cpu_runtime);
  }
  if (api->engine_create(&api->engine, dnnl_cpu, 0) != dnnl_success) {
    return Status::format(Code::internal, "{} has no engine for this CPU", name);
  }
  return std::shared_ptr<const Api>(std::move(api));
}

Api::~Api() {
  if (engine) engine_destroy(engine);
}

}  // namespace pensee::onednn
