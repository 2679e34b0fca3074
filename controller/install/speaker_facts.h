#pragma once
// What the controller knows of each speaker, as far as a roll has to. Pure.

#include <map>
#include <string>

#include "controller/install/roll.h"
#include "controller/observe/session_board.h"
#include "controller/plan/model.h"
#include "controller/push/distributor.h"

namespace openelb::install {

// `attached` as the distributor knows it. A session that no speaker of the rack has is not missed:
// its router is away.
Speakers SpeakersOf(const plan::Model& model, const observe::SessionBoard& board,
                    const std::map<std::string, push::SpeakerStatus>& attached);

}  // namespace openelb::install
