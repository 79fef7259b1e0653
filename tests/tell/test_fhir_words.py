"""Codes and ids of our FHIR resources: what is no code or id of FHIR's is never sent as one."""

import pytest

from parsers.events import Diagnosis
from streams.tell.fhir_words import diagnosis_code, disposition
from streams.tell.forms.notifications import enrollee_of, patient_id

ICD_9, ICD_10, SNOMED = (
    "http://hl7.org/fhir/sid/icd-9-cm",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://snomed.info/sct",
)


@pytest.mark.parametrize(
    ("named", "code", "system", "coded"),
    [
        ("I10", "E1165", ICD_10, "E11.65"),
        ("I10C", "e11.65", ICD_10, "E11.65"),
        ("ICD-10-CM", "I10", ICD_10, "I10"),
        ("ICD", "E1165", ICD_10, "E11.65"),
        ("ICD", "4100", ICD_9, "410.0"),
        ("ICD-9", "410.0", ICD_9, "410.0"),
        ("ICD9CM", "25000", ICD_9, "250.00"),
        ("I9", "V3000", ICD_9, "V30.00"),
        ("I9C", "E8120", ICD_9, "E812.0"),
        ("SCT", "22298006", SNOMED, "22298006"),
    ],
)
def test_a_code_is_coded_in_the_set_its_hospital_names(named: str, code: str, system: str, coded: str) -> None:
    concept = diagnosis_code(Diagnosis(code=code, system=named, text="said so"))
    assert concept == {"text": "said so", "coding": [{"system": system, "code": coded}]}


@pytest.mark.parametrize(
    ("named", "code"),
    [("I10", "E11  65"), ("I10", "chest pain"), ("I9", "E11.65"), ("I10P", "0DTJ4ZZ"), ("LOCAL", "I10"), ("", "I10")],
)
def test_what_is_no_code_of_that_set_is_text(named: str, code: str) -> None:
    assert diagnosis_code(Diagnosis(code=code, system=named)) == {"text": code}


def test_only_a_code_of_ub_04_is_sent_as_one() -> None:
    assert disposition("01")["coding"][0]["code"] == "01"
    for word in ("HOME  HLTH", "12", "DISC TO FAMILY"):
        assert disposition(word) == {"text": word}


@pytest.mark.parametrize(
    "enrollee_id",
    ["E1", "a_b", "x.41", "z.41", "é" * 23, "{3F2504E0-4F89-41D3-9A0C-0305E82C3301}", "NC_2026_0000000123456789012345"],
)
def test_a_patient_s_id_is_one_of_fhir_s_and_names_the_enrollee(enrollee_id: str) -> None:
    fhir_id = patient_id(enrollee_id)
    assert len(fhir_id) <= 64
    assert fhir_id.replace("-", "").replace(".", "").isalnum()
    assert fhir_id.isascii()
    assert enrollee_of(fhir_id) == enrollee_id


@pytest.mark.parametrize("fhir_id", ["x.zz", "x.00", "z.a", "z.é", "z._w", "z.AA"])
def test_what_names_nobody_is_nobody(fhir_id: str) -> None:
    assert enrollee_of(fhir_id) == ""
