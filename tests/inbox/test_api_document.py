"""What the API's own document says holds for whatever is sent: schemathesis finds nothing at the running one."""

from datetime import UTC, datetime

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as limits
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from streams.inbox.api.document import document
from streams.store.api_tokens import Scope
from tests.inbox.test_pages import served
from tests.rigs.inbox import ORTIZ, alert, load_people, person, tell

# Every request carries the token, so the generated ones know of none.
KNOWN = schemathesis.openapi.from_dict({**document(), "security": []})
# An act may be well formed and have faults that no schema can say (422), all of them named.
NOT_ASKED = [check for check in CHECKS.get_all() if check.__name__ == "positive_data_acceptance"]


CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in (result.ok() for result in KNOWN.get_all_operations())
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or operation.label not in {"GET /openapi.json", "GET /stays"}  # take nothing
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_nothing_that_is_sent_leads_out_of_the_document(settings, store, operation, mode):
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee))
    secret, _ = store.api_tokens.create("test", ORTIZ.case_manager_id, set(Scope), datetime.now(UTC), None)
    sent = {"Authorization": f"Bearer {secret}"}
    with served(settings, store, None) as (client, _):

        @given(operation.as_strategy(generation_mode=mode))
        @limits(
            max_examples=25,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def hold(case):
            if mode is GenerationMode.POSITIVE and case.path_parameters:
                case.path_parameters["alert_id"] = "s1"
            case.call_and_validate(base_url=f"{client.base_url}/api/v1", headers=sent, excluded_checks=NOT_ASKED)

        hold()
