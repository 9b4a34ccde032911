-- Taking one back. ARGV: epoch, now, its id, and the lane and sequence it was seen at, if in its lane.
-- Answers nothing where it lies elsewhere; else 1, and the lane that goes on now with its name.

local refusal = fence()
if refusal then return refusal end
local state, seq = locate(ARGV[3])
if state ~= 'K' then return {} end
local record = find(seq)
if not record then return {} end
if record.due == '' and (ARGV[4] ~= record.lane or ARGV[5] ~= seq) then return {} end
if record.due ~= '' and ARGV[4] ~= '' then return {} end
local is_waited_for = waits_for(seq, record)
finish(seq, record, past_of(seq).a, 'G')
flush()
if is_waited_for and set_block(record.lane, false) > 0 then
  return { 1, record.lane, call('HGET', NAMES, record.lane) }
end
return { 1 }
