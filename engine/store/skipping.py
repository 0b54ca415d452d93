"""Who was deleted from a list gets nothing more of the campaigns that run to it (R-3.7).

A campaign's next members are message rows already, some tens of thousands ahead of the turns; those
of who is no member any more are ended here. Members that are no rows yet are left out when it is
their turn, and what is on the wire can't be called back.
"""

from __future__ import annotations

from engine.store import applications, callbacks
from engine.store.db import Tx


def skip_deleted(tx: Tx, application_id: int, list_id: int) -> int:
    """End what waits to be sent to members that were deleted from a list; how many messages.

    The last word of a deletion: it waits for the queue's step that may be making rows of them now,
    and keeps the next one away until the end.
    """
    applications.lock(tx, application_id)
    cursor = tx.execute(
        # campaign_list; feed has some ten rows; message_YYYYMMDD_pkey by their ranges; due is what
        # is to be retried, held what a person is to decide about; member_list_id_mobile_key for
        # each. Mostly there is no campaign at all.
        f"""
        WITH running AS (
            SELECT id FROM campaign
             WHERE list_id = %(list)s AND started_at IS NOT NULL AND ended_at IS NULL),
        waiting AS (
            SELECT m.id, m.mobile
              FROM running c JOIN feed f ON f.campaign_id = c.id
              JOIN message m ON m.id BETWEEN f.next_id AND f.last_id AND m.campaign_id = c.id
             WHERE m.state = 'queued'
            UNION
            SELECT m.id, m.mobile
              FROM running c JOIN due d ON d.campaign_id = c.id
              JOIN message m ON m.id = d.message_id
             WHERE m.state IN ('queued', 'uncertain')
            UNION
            SELECT m.id, m.mobile
              FROM running c JOIN held h ON h.campaign_id = c.id
              JOIN message m ON m.id = h.message_id
             WHERE m.state = 'uncertain'),
        moved AS (
            UPDATE message SET state = 'skipped', state_at = now(), reason = 'deleted from the list'
             WHERE id IN (
                SELECT w.id FROM waiting w
                 WHERE NOT EXISTS (
                    SELECT FROM member
                     WHERE list_id = %(list)s AND mobile = w.mobile AND deleted_at IS NULL))
               AND state IN ('queued', 'uncertain')
            RETURNING {callbacks.RETURNING}),
        told AS ({callbacks.TOLD}),
        tallied AS (
            INSERT INTO tally (campaign_id, state, n)
            SELECT campaign_id, was, -count(*) FROM moved GROUP BY 1, 2
            UNION ALL
            SELECT campaign_id, 'skipped', count(*) FROM moved GROUP BY 1)
        SELECT FROM moved
        """,
        {"list": list_id},
    )
    return cursor.rowcount
