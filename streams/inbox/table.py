"""Every address of the inbox, one row each: how it comes about, who may, what serves it.

The app's routes, the checks of access, what is come back to after signing in and README's list of pages are all made of
these rows. A new page is a row here and a file in `pages`.
"""

from typing import Final

from rules.following.roles import Doing
from streams.inbox.api.alerts import alerts_after
from streams.inbox.api.document import document_page
from streams.inbox.api.report import WEEK, report
from streams.inbox.api.stays import list_stays, one_stay, write_act
from streams.inbox.opened import WAYS
from streams.inbox.page import Call, Comes, Open, Page
from streams.inbox.pages.audit import audit_page, audit_search
from streams.inbox.pages.become import become, become_page
from streams.inbox.pages.beside import next_stay, previous_stay
from streams.inbox.pages.board import board_page
from streams.inbox.pages.by_hand import by_hand_page, enter_by_hand
from streams.inbox.pages.cover import cover_page, say_away
from streams.inbox.pages.destinations import destinations_page, do_to_destination
from streams.inbox.pages.draft import keep_draft, keep_draft_beside
from streams.inbox.pages.feeds import feeds_page
from streams.inbox.pages.glass import break_glass, find, glass_page, look_at, opened_page
from streams.inbox.pages.letter import letter_page
from streams.inbox.pages.list import list_counts, list_page, list_part
from streams.inbox.pages.log import log
from streams.inbox.pages.mail_stop import mail_stop, mail_stop_page
from streams.inbox.pages.many import many
from streams.inbox.pages.not_taken import not_taken_page
from streams.inbox.pages.own_sign_in import ask_for_passkey, with_passkey, with_password
from streams.inbox.pages.paper import due_file, due_page, sheet_of, sheet_page
from streams.inbox.pages.person import people_page, person_page, search
from streams.inbox.pages.provider import back_channel, callback, front_channel, signed_out_page, to_provider
from streams.inbox.pages.report import report_file, report_page
from streams.inbox.pages.review import review_page, settle, take_back_review
from streams.inbox.pages.session import (
    enroll,
    enroll_page,
    here,
    keep_clock,
    place,
    put_place,
    sign_in,
    sign_in_page,
    sign_out,
    still,
    time_left,
    unlock,
)
from streams.inbox.pages.sessions import end_sessions, sessions_page
from streams.inbox.pages.staff import do_for_somebody, staff_page
from streams.inbox.pages.stay import act, seen, stay_page, stay_part, undo
from streams.inbox.pages.stream import stream, stream_all
from streams.inbox.pages.views import keep_view
from streams.inbox.pages.ways import (
    add_passkey,
    ask_for_new_passkey,
    new_codes,
    password_page,
    remove_passkey,
    rename_passkey,
    set_password,
    ways_page,
)
from streams.store.api_tokens import Scope

OPENED, FETCHED, SENT = Comes.OPENED, Comes.FETCHED, Comes.SENT
SEE_ROW, SEE_BOARD, REVIEW, SEE_AUDIT = Doing.SEE_ROW, Doing.SEE_BOARD, Doing.REVIEW, Doing.SEE_AUDIT
DESTINATIONS, BREAK_GLASS, SEE_FEEDS = Doing.CHANGE_DESTINATIONS, Doing.BREAK_GLASS, Doing.SEE_FEEDS

# Of two rows that fit an address the upper one serves it.
PAGES: Final[tuple[Page | Open | Call, ...]] = (
    Page("/", OPENED, SEE_ROW, list_page, "one's list of stays, and those of the team"),
    Page("/list", FETCHED, SEE_ROW, list_part),
    Page("/counts", FETCHED, SEE_ROW, list_counts),
    Page("/stay/{alert_id}", OPENED, SEE_ROW, stay_page, "one stay with its story, clocks and next steps"),
    Page("/stay/{alert_id}/part", FETCHED, SEE_ROW, stay_part),
    Page("/stay/{alert_id}/next", OPENED, SEE_ROW, next_stay, "leads to the stay below it on one's list"),
    Page("/stay/{alert_id}/previous", OPENED, SEE_ROW, previous_stay, "leads to the stay above it on one's list"),
    Page("/stay/{alert_id}/undo", SENT, SEE_ROW, undo),
    Page("/stay/{alert_id}/log", SENT, SEE_ROW, log),
    Page("/stay/{alert_id}/letter", OPENED, SEE_ROW, letter_page, "the letter to somebody whom nobody reached"),
    Page("/stay/{alert_id}/seen", SENT, SEE_ROW, seen),
    Page("/stay/{alert_id}/draft", SENT, SEE_ROW, keep_draft),
    Page("/stay/{alert_id}/{act}", SENT, SEE_ROW, act),
    Page("/draft", SENT, SEE_ROW, keep_draft_beside),
    Page("/board", OPENED, SEE_BOARD, board_page, "who has what in a network, what is late, and giving it to somebody"),
    Page(
        "/report",
        OPENED,
        SEE_BOARD,
        report_page,
        "a week: told, called, visited, by practice and hospital; names if asked for",
    ),
    Page("/report.csv", OPENED, SEE_BOARD, report_file, "the same as a file"),
    Page("/views", SENT, SEE_ROW, keep_view),
    Page("/many", SENT, SEE_ROW, many),
    Page("/cover", OPENED, SEE_ROW, cover_page, "who is away and who covers; what happened meanwhile"),
    Page("/cover", SENT, SEE_ROW, say_away),
    Page("/sheet", OPENED, SEE_ROW, sheet_page, "everything open, on paper for the next shift"),
    Page("/sheet", SENT, SEE_ROW, sheet_of),
    Page("/due", OPENED, SEE_ROW, due_page, "next steps by the day on which they are due"),
    Page("/due.ics", OPENED, SEE_ROW, due_file, "how much is due on which day, for another calendar; no patient"),
    Page("/people", OPENED, SEE_ROW, people_page, "the search for a person of one's panels"),
    Page("/people", SENT, SEE_ROW, search),
    Page("/person/{ref}", OPENED, SEE_ROW, person_page, "all stays and acts of one person"),
    Page("/glass", OPENED, BREAK_GLASS, glass_page, "opening a patient who is not one's own, in an emergency"),
    Page("/glass", SENT, BREAK_GLASS, find),
    Page("/glass/{ref}", OPENED, BREAK_GLASS, opened_page, "such a patient, to read for an hour"),
    Page("/glass/{ref}", SENT, BREAK_GLASS, break_glass),
    Page("/board/glass", SENT, SEE_BOARD, look_at),
    Page("/by-hand/{ref}", OPENED, SEE_ROW, by_hand_page, "entering an event where no feed tells it"),
    Page("/by-hand/{ref}", SENT, SEE_ROW, enter_by_hand),
    Page("/review", OPENED, REVIEW, review_page, "possible matches, both sides beside each other"),
    Page("/review/{review_id}", SENT, REVIEW, settle),
    Page("/review/{review_id}/undo", SENT, REVIEW, take_back_review),
    Page("/not-taken", OPENED, SEE_FEEDS, not_taken_page, "messages of hospitals that were refused or failed, and why"),
    Page("/audit", OPENED, SEE_AUDIT, audit_page, "who looked at whom, and did what"),
    Page("/audit", SENT, SEE_AUDIT, audit_search),
    Page("/destinations", OPENED, DESTINATIONS, destinations_page, "places outside that are told, and how each does"),
    Page("/destinations", SENT, DESTINATIONS, do_to_destination),
    Page("/feeds", OPENED, Doing.SEE_FEEDS, feeds_page, "how each hospital's feed talks, and its report card"),
    Page("/sessions", OPENED, None, sessions_page, "where one is signed in, and ending that"),
    Page("/sessions", SENT, None, end_sessions),
    Page(WAYS, OPENED, None, ways_page, "one's passkeys, password and recovery codes", enrolling=True, own=True),
    Page(f"{WAYS}/passkey", SENT, None, add_passkey, enrolling=True, own=True),
    Page(f"{WAYS}/passkey/options", SENT, None, ask_for_new_passkey, enrolling=True, own=True),
    Page(f"{WAYS}/rename", SENT, None, rename_passkey, enrolling=True, own=True),
    Page(f"{WAYS}/remove", SENT, None, remove_passkey, enrolling=True, own=True),
    Page(f"{WAYS}/password", OPENED, None, password_page, "setting a password", enrolling=True, own=True),
    Page(f"{WAYS}/password", SENT, None, set_password, enrolling=True, own=True),
    Page(f"{WAYS}/codes", SENT, None, new_codes, enrolling=True, own=True),
    Page(
        "/staff", OPENED, Doing.CHANGE_DIRECTORY, staff_page, "who can sign in here, and links to set that up", own=True
    ),
    Page("/staff", SENT, Doing.CHANGE_DIRECTORY, do_for_somebody, own=True),
    Page("/become", OPENED, None, become_page, "looking as somebody else", demo=True),
    Page("/become", SENT, None, become, demo=True),
    Page("/unlock", SENT, None, unlock, locked_too=True, demo=True),
    Page("/sign-out", SENT, None, sign_out, locked_too=True, enrolling=True),
    Page("/here", SENT, None, here, enrolling=True),
    Page("/clock", SENT, None, keep_clock),
    Page("/place", SENT, None, put_place),
    Page("/place/{place}", FETCHED, None, place),
    Page("/still", FETCHED, None, still),
    Page("/left", FETCHED, None, time_left, enrolling=True),
    Page("/stream", FETCHED, SEE_ROW, stream),
    Page("/stream/all", FETCHED, SEE_ROW, stream_all, locked_too=True, demo=True),
    Open("/sign-in", "GET", sign_in_page, "signs in"),
    Open("/sign-in", "POST", sign_in, "signs in"),
    Open("/sign-in/password", "POST", with_password, "signs in", own=True),
    Open("/sign-in/passkey", "POST", with_passkey, "signs in", own=True),
    Open("/sign-in/passkey/options", "POST", ask_for_passkey, "signs in", own=True),
    Open("/sign-in/enroll", "GET", enroll_page, "the link is the right to set up signing in", own=True),
    Open("/sign-in/enroll", "POST", enroll, "the link is the right to set up signing in", own=True),
    Open("/sign-in/provider", "GET", to_provider, "signs in"),
    Open("/sign-in/callback", "GET", callback, "signs in"),
    Open("/signed-out", "GET", signed_out_page, "says how to sign in again"),
    Open("/sign-out/back-channel", "POST", back_channel, "the provider signs what it says"),
    Open("/sign-out/front-channel", "GET", front_channel, "it names a session as only the provider can, and ends it"),
    Open("/mail/stop/{token}", "GET", mail_stop_page, "the link is the right to stop these mails"),
    Open("/mail/stop/{token}", "POST", mail_stop, "the link is the right to stop these mails"),
    Open("/api/v1/openapi.json", "GET", document_page, "describes the API"),
    Call("/api/v1/stays", "GET", Scope.READ, list_stays),
    Call("/api/v1/stays/{alert_id}", "GET", Scope.READ, one_stay),
    Call("/api/v1/stays/{alert_id}/acts", "POST", Scope.ACT, write_act),
    Call("/api/v1/report", "GET", Scope.READ, report, frozenset({WEEK})),
    Call("/api/v1/alerts", "GET", Scope.READ, alerts_after, frozenset({"after"})),
)
