#pragma once
// What OpenELB 0.4.3 to 0.5 did by a mutating webhook: every LoadBalancer Service gets an address.
//
// | Service uses OpenELB | Eip named | default Eip | other Eip | result                      |
// | no                   | no        | no          | any       | nothing                     |
// | no                   | no        | yes         | any       | from the default Eip        |
// | yes                  | no        | no          | no        | waits                       |
// | yes                  | no        | no          | yes       | from one that is not full   |
// | yes                  | no        | yes         | any       | from the default Eip        |
// | yes                  | yes       | any         | no        | waits                       |
// | yes                  | yes       | any         | yes       | from the named Eip          |
//
// Where the loop comes to the same by itself nothing is added. A Service of another class, with
// another value of the annotation, or with an address that is not ours is somebody else's.

#include "controller/admission/knowledge.h"
#include "controller/admission/review.h"

namespace openelb::admission {

// Of the mutating webhook: never a refusal.
Verdict ChooseForUser(const Review& review, Knowledge* known);

}  // namespace openelb::admission
