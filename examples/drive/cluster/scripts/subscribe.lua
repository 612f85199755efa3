-- KEYS record, topics, info; ARGV most topics, what the device tells or nothing, how many topics to
-- add, those, those to remove. Returns topics that it has now and had not, that it had and has not;
-- or that there would be too many.
local record, topics = KEYS[1], KEYS[2]
local before, after = {}, {}
local had, has = 0, 0
for _, topic in ipairs(redis.call('SMEMBERS', topics)) do
  before[topic] = true
  after[topic] = true
  had = had + 1
end
has = had
local adds = tonumber(ARGV[3])
for at = 4, #ARGV do
  local topic, is_in = ARGV[at], at < 4 + adds
  if is_in and not after[topic] then
    after[topic] = true
    has = has + 1
  elseif not is_in and after[topic] then
    after[topic] = nil
    has = has - 1
  end
end
if has > had and has > tonumber(ARGV[1]) then
  return 'many'
end
local joined, left = {}, {}
for topic in pairs(after) do
  if not before[topic] then
    joined[#joined + 1] = topic
    redis.call('SADD', topics, topic)
  end
end
for topic in pairs(before) do
  if not after[topic] then
    left[#left + 1] = topic
    redis.call('SREM', topics, topic)
  end
end
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[3], ARGV[2])
end
if #joined + #left > 0 or ARGV[2] ~= '' then
  redis.call('HSETNX', record, 'e', 0)
  redis.call('PERSIST', record)
end
return { joined, left }
