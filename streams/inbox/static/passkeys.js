// In: forms with data-passkey. Out: the same forms, sent with what the browser's authenticator answered.

// Passkeys belong to a host's name; at an address without one there are none.
const NAMED = !/^(\[.*\]|[\d.]+)$/.test(location.hostname);
const KNOWN = NAMED && typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;

async function answer(form) {
  const asked = await fetch(form.dataset.options, {
    method: "POST",
    headers: { "X-CSRF-Token": document.querySelector("meta[name=csrf]")?.content || "" },
  });
  if (!asked.ok) throw new Error(String(asked.status));
  const options = await asked.json();
  if (form.dataset.passkey === "get") {
    return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  }
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !KNOWN;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("[role=status]");
    said.textContent = "";
    try {
      form.elements.credential.value = JSON.stringify(await answer(form));
      form.submit();
    } catch {
      said.textContent = "That did not work, or it was stopped. Try it again, or another way.";
    }
  });
}
