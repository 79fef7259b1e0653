"""What the API's own document says holds for whatever is sent: schemathesis finds nothing at the running one."""

from contextlib import contextmanager
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
AS_EVER = limits(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in (result.ok() for result in KNOWN.get_all_operations())
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or operation.label not in {"GET /openapi.json", "GET /stays"}  # take nothing
]


@contextmanager
def running(settings, store):
    """Where the API of somebody with one stay is to be had, and the headers of a token that is good for everything."""
    enrollee = person(1)
    load_people(store, [enrollee])
    tell(store, alert(enrollee))
    secret, _ = store.api_tokens.create("test", ORTIZ.case_manager_id, set(Scope), datetime.now(UTC), None)
    with served(settings, store, None) as (client, _):
        yield f"{client.base_url}/api/v1", {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_nothing_that_is_sent_leads_out_of_the_document(settings, store, operation, mode):
    with running(settings, store) as (url, sent):

        @given(operation.as_strategy(generation_mode=mode))
        @limits(AS_EVER, max_examples=20)
        def hold(case):
            if mode is GenerationMode.POSITIVE and case.path_parameters:
                case.path_parameters["alert_id"] = "s1"
            case.call_and_validate(base_url=url, headers=sent, excluded_checks=NOT_ASKED)

        hold()


def test_each_link_of_the_document_leads_to_what_it_says(settings, store):
    """Stays are listed, read, acted on and read again as the document's links say, each with what came before."""
    answered = set()
    with running(settings, store) as (url, sent):

        class Followed(KNOWN.as_state_machine()):
            def get_call_kwargs(self, case):
                return {"base_url": url, "headers": sent}

            def before_call(self, case):
                if case.operation.label.startswith("POST"):  # what a link cannot give; whatever else: the test above
                    case.body = {"kind": "note", "text": "x", "version": 1}

            def after_call(self, response, case):
                answered.add((case.operation.label, response.status_code))

            def validate_response(self, response, case, additional_checks=None, **kwargs):
                case.validate_response(response, excluded_checks=NOT_ASKED)

        Followed.run(settings=limits(AS_EVER, max_examples=6, stateful_step_count=8))
    assert answered >= {
        ("GET /stays", 200),
        ("GET /stays/{alert_id}", 200),
        ("POST /stays/{alert_id}/acts", 201),
        ("GET /alerts", 200),
    }
