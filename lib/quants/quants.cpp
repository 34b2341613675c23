// The table of stored types: a row a type, in the order of the enum. Numbers and sizes are those of the GGUF
// specification; a type that is not here is not read, and the formats' readers say so when someone asks for it.
#include "quants/quants.h"

#include "base/check.h"
#include "quants/blocks.h"

namespace pensee {
namespace {

constexpr StoredTypeInfo kTypes[] = {
    // type, name, GGUF number, elements a block, bytes a block, decoder
    {StoredType::f32, "F32", 0, 1, 4, quants::decode_f32},
    {StoredType::f16, "F16", 1, 1, 2, quants::decode_f16},
    {StoredType::bf16, "BF16", 30, 1, 2, quants::decode_bf16},
    {StoredType::q8_0, "Q8_0", 8, 32, 34, quants::decode_q8_0},
    {StoredType::q4_0, "Q4_0", 2, 32, 18, quants::decode_q4_0},
    {StoredType::q4_1, "Q4_1", 3, 32, 20, quants::decode_q4_1},
    {StoredType::q5_0, "Q5_0", 6, 32, 22, quants::decode_q5_0},
    {StoredType::q5_1, "Q5_1", 7, 32, 24, quants::decode_q5_1},
    {StoredType::q4_k, "Q4_K", 12, 256, 144, quants::decode_q4_k},
    {StoredType::q5_k, "Q5_K", 13, 256, 176, quants::decode_q5_k},
    {StoredType::q6_k, "Q6_K", 14, 256, 210, quants::decode_q6_k},
    {StoredType::f8_e4m3, "F8_E4M3", -1, 32, 36, quants::decode_f8_e4m3},
};

constexpr bool rows_follow_the_enum() {
  size_t row = 0;
  for (const StoredTypeInfo& t : kTypes) {
    if (static_cast<size_t>(t.type) != row++) return false;
  }
  return row == static_cast<size_t>(StoredType::count);
}
static_assert(rows_follow_the_enum());

}  // namespace

const StoredTypeInfo& info(StoredType type) {
  PENSEE_DCHECK(type < StoredType::count);
  return kTypes[static_cast<size_t>(type)];
}

const StoredTypeInfo* stored_type_by_gguf_id(int32_t id) {
  for (const StoredTypeInfo& t : kTypes) {
    if (t.gguf_id == id && id >= 0) return &t;
  }
  return nullptr;
}

}  // namespace pensee
