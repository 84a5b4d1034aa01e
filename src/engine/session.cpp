#include "engine/session.h"

#include "engine/decode.h"

namespace restkv {

Result<std::unique_ptr<Session>> Session::create(const Model& model, Compute& compute,
                                                 const CacheConfig& config) {
  std::unique_ptr<Session> session(new Session(model, compute));
  RESTKV_ASSIGN_OR_RETURN(session->sequence_.plan, CachePlan::make(config));
  RESTKV_RETURN_IF_ERROR(session->sequence_.plan->check_model(model.hparams()));
  session->sequence_.cache.meter = std::make_shared<KvMeter>();
  return session;
}

Status Session::read(const ReadRequest& request) {
  if (request.tokens.empty()) return Status::usage("the prompt is empty, it must have a token");
  RESTKV_ASSIGN_OR_RETURN(ReadResult result, extend(model_, compute_, request, &sequence_));
  logits_ = std::move(result.last_logits);
  read_ms_ = result.total_ms;
  blocks_ = result.blocks;
  return {};
}

Status Session::decode(int32_t token) {
  const DecodeSlot slot{&sequence_, token};
  return restkv::decode(model_, compute_, {&slot, 1}, &logits_);
}

}  // namespace restkv
