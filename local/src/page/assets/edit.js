// Sends edits of the spec.

let token = "";

/** Tells the token that edits must carry. */
export function setToken(value) {
  token = value;
}

/** Sends a merge patch: { generation } if it is in force, { violations: [text] } if the spec stays as it is. */
export async function send(patch) {
  try {
    const reply = await fetch("/api/spec", {
      method: "POST",
      headers: { "content-type": "application/json", "x-user-info-token": token },
      body: JSON.stringify(patch),
    });
    const body = await reply.json();
    return reply.ok ? body : { violations: body.violations ?? [body.message] };
  } catch {
    return { violations: ["user-info-local does not answer; the spec stays as it is"] };
  }
}
