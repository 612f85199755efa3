-- KEYS record, queue; ARGV time, message id, most messages. Returns time, last message id, epoch,
-- entries behind that id, freed bodies.
local record, queue = KEYS[1], KEYS[2]
local at, freed = clock(ARGV[1], record), {}
purge(record, queue, at, freed)
local entries = {}
if tonumber(ARGV[3]) > 0 then
  local behind = '(' .. place(tonumber(ARGV[2]))
  for _, entry in ipairs(redis.call('XRANGE', queue, behind, '+', 'COUNT', ARGV[3])) do
    local body, is_here = field(entry, 'b'), '1'
    if not body then
      body, is_here = field(entry, 'r'), '0'
    end
    local mid = digits(message_id(entry[1]))
    entries[#entries + 1] = { mid, field(entry, 'e'), is_here, body, field(entry, 't') }
  end
end
local last = redis.call('HGET', record, 'l') or '0'
return { digits(at), last, redis.call('HGET', record, 'e') or '0', entries, freed }
